// nodemailer over a pool of connections: nodemailer.mjs PORT COUNT FILE CONNECTIONS
import { readFileSync } from 'node:fs';
import { createTransport } from 'nodemailer';

const [port, count, file, connections] = process.argv.slice(2);
const raw = readFileSync(file);
const pool = createTransport({
  host: '127.0.0.1', port: Number(port), secure: false, ignoreTLS: true,
  pool: true, maxConnections: Number(connections), maxMessages: Infinity,
});
let next = 0;
await Promise.all(Array.from({ length: Number(connections) * 2 }, async () => {
  while (next++ < Number(count)) {
    await pool.sendMail({ envelope: { from: 'a@bench.example', to: 'b@bench.example' }, raw });
  }
}));
pool.close();
