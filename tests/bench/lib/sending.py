"""The contenders that send: to Postfix's smtp-sink, over loopback, without TLS."""
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from lib.clients import Contender, Daemon

HERE = Path(__file__).parent
CONNECTIONS = 10
SIZE = 10_000


class Sink:
    """smtp-sink, which takes every mail and forgets it."""

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(["smtp-sink", "-u", "nobody", f"127.0.0.1:{self.port}", "1000"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(.05)
        raise SystemExit("smtp-sink does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def text(number):
    """A body of about SIZE octets, different for each mail."""
    line = f"{number:06d} The quick brown fox jumps over the lazy dog, and nobody looks up.\n"
    return line * (SIZE // len(line))


def mail_file(bench):
    """A whole mail for those that compose nothing."""
    path = bench.dir / "mail.eml"
    head = "From: a@bench.example\nTo: b@bench.example\nSubject: bench\nMessage-ID: <bench@bench.example>\nMIME-Version: 1.0\n"
    path.write_text(head + "Content-Type: text/plain; charset=utf-8\n\n" + text(0))
    return path


class Outbox(Daemon):
    """A daemon whose database holds mails to be sent, as a CRM puts them there."""

    def fill(self, port, count):
        """Ten mailboxes with their share each; nothing of it sent."""
        self.forget()
        users = [f"s{number:02d}" for number in range(CONNECTIONS)]
        self.configure(users)
        settings = self.config.read_text()
        settings = re.sub(r"allowed_ports = .*", f"allowed_ports = [{self.bench.port}, {port}]\nallow_cleartext = true", settings)
        settings += f'outgoing = {{ host = "127.0.0.1", port = {port}, security = "none", auth = "none" }}\n'
        self.config.write_text(settings)
        mailboxes = self.root / "conf.d" / "mailboxes.toml"
        mailboxes.write_text(mailboxes.read_text().replace("approved = true", 'incoming = "none"\noutgoing = "server_side_sync"\napproved = true'))
        subprocess.run(self.command("run", "--once"), check=True, capture_output=True)
        with sqlite3.connect(self.database) as database:
            ids = [row[0] for row in database.execute("SELECT id FROM mailboxes ORDER BY email_address")]
            for number in range(count):
                mailbox = ids[number % len(ids)]
                row = database.execute("INSERT INTO email_activities (direction, status, mailbox, subject, body_text) "
                                       "VALUES ('outgoing', 'pending_send', ?, ?, ?) RETURNING id",
                                       (mailbox, f"bench {number}", text(number))).fetchone()
                database.execute("INSERT INTO email_parties (activity, position, role, address, display_name) "
                                 "VALUES (?, 0, 'to', 'b@bench.example', '')", row)
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def sent(self):
        """How many mails are sent."""
        return self._count("email_activities WHERE status = 'sent'")


def ours(bench, port, count):
    """`mailsyncd run --once` draining the outbox: composes, marks, sends, settles, all durable."""
    daemon = Outbox(bench, "outbox")

    def check(_cost):
        return "" if daemon.sent() == count else f"{daemon.sent()} of {count} sent"

    return Contender("mailsyncd", daemon.command("run", "--once"), lambda: daemon.fill(port, count), check)


def commits_only(bench, port, count):
    """The same marks in the same database, without composing and without a conversation."""
    daemon = Outbox(bench, "commits-only")

    def check(cost):
        fields = cost.output.split()
        if len(fields) < 4 or fields[0] != "settled" or daemon.sent() != count:
            return f"unexpected output {cost.output!r}, {daemon.sent()} of {count} sent"
        cost.wall = float(fields[3])
        return ""

    command = [str(bench.examples / "commits_only"), str(daemon.database)]
    return Contender("commits only", command, lambda: daemon.fill(port, count), check)


def conversation(bench, port, count):
    """Our conversation alone: mails composed before, marks in memory."""
    command = [str(bench.examples / "conversation"), str(port), str(count), str(mail_file(bench)), str(CONNECTIONS)]
    return Contender("mailsyncd, in memory", command, check=lambda cost: "" if f"sent {count}" in cost.output else cost.output)


def smtp_source(_bench, port, count):
    """Postfix's load generator, which keeps nothing."""
    words = ["-d", "-s", CONNECTIONS, "-m", count, "-l", SIZE, "-f", "a@bench.example", "-t", "b@bench.example", f"127.0.0.1:{port}"]
    return Contender("smtp-source", ["smtp-source", *map(str, words)])


def smtplib(bench, port, count):
    """Python's smtplib on ten threads, which keeps nothing."""
    return Contender("smtplib", [sys.executable, str(HERE / "smtp_client.py"), str(port), str(count), str(mail_file(bench)), str(CONNECTIONS)])


def nodemailer(bench, port, count):
    """Node's nodemailer with a pool of ten, which keeps nothing; installed on first use."""
    here = bench.dir / "node"

    def prepare():
        if not (here / "node_modules" / "nodemailer").exists():
            here.mkdir(exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--prefix", str(here), "nodemailer@10.6.0"], check=True)
        shutil.copy(HERE / "nodemailer.mjs", here / "nodemailer.mjs")

    return Contender("nodemailer", ["node", str(here / "nodemailer.mjs"), str(port), str(count), str(mail_file(bench)), str(CONNECTIONS)], prepare)
