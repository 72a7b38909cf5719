// imapflow as a contender: client.mjs fetch|poll PORT CA_FILE USER_FORMAT COUNT CONNECTIONS
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const [mode, port, ca, format, count, connections] = process.argv.slice(2);
const tls = { ca: readFileSync(ca) };
let next = 1, messages = 0, octets = 0;

async function visit(user) {
  const client = new ImapFlow({ host: 'localhost', port: Number(port), secure: true, tls, logger: false,
    disableAutoIdle: true, auth: { user, pass: 'bench' } });
  await client.connect();
  if (mode === 'poll') {
    messages += (await client.status('INBOX', { messages: true, uidNext: true, uidValidity: true })).messages;
  } else {
    await client.mailboxOpen('INBOX', { readOnly: true });
    for await (const message of client.fetch('1:*', { uid: true, source: true })) {
      messages += 1;
      octets += message.source.length;
    }
  }
  await client.logout();
}

async function worker() {
  while (next <= Number(count)) await visit(format.replace('%05d', String(next++).padStart(5, '0')));
}

await Promise.all(Array.from({ length: Number(connections) }, worker));
console.log(`messages ${messages} octets ${octets}`);
