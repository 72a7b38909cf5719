"""The contenders: how each is configured afresh, started, and asked whether it really got everything."""
import shutil
import sqlite3
import subprocess
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable

from lib import measure

# As the unit and the container have it.
ENVIRONMENT = ["MALLOC_ARENA_MAX=2", "MALLOC_MMAP_THRESHOLD_=1048576", "MALLOC_TRIM_THRESHOLD_=1048576"]


@dataclass
class Contender:
    """One program of a scenario. `check` gives a reason why the run does not count, or an empty text."""

    name: str
    command: list
    prepare: Callable = lambda: None
    check: Callable = lambda cost: ""


@dataclass
class Bench:
    """Where everything is."""

    dir: Path
    mail: Path
    port: int
    binary: Path
    examples: Path

    @property
    def ca(self):
        """The private CA's certificate."""
        return self.dir / "tls" / "ca.pem"

    @property
    def server(self):
        """The pid of the mail server's master process."""
        return int((self.dir / "dovecot" / "run" / "master.pid").read_text())

    @property
    def pop(self):
        """The same bench over POP3S."""
        return self.at(self.port + 2)

    def at(self, port):
        """The same bench seen through another port."""
        return replace(self, port=port)


def raw(bench, mode, users, count, connections, messages):
    """The limit. `users` is a name or holds %05d."""
    command = [str(bench.dir / "bin" / "raw"), mode, "localhost", str(bench.port), str(bench.ca), users, "1", str(count), str(connections)]

    def check(cost):
        wanted = f"sessions {count} failures 0 messages {messages} "
        return "" if cost.output.startswith(wanted) else f"wanted {wanted}, got {cost.output.strip()}"

    return Contender("raw", command, check=check)


def mbsync(bench, users, messages, parallel=1):
    """isync's mbsync into Maildirs on the disk, with the fsync it does by default."""
    root = bench.dir / "mbsync"

    def prepare():
        shutil.rmtree(root, ignore_errors=True)
        for user in users:
            (root / user).mkdir(parents=True)
            (root / f"{user}.rc").write_text(
                f"IMAPAccount a\nHost localhost\nPort {bench.port}\nUser {user}\nPass bench\nSSLType IMAPS\n"
                f"CertificateFile {bench.ca}\nSystemCertificates no\nAuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\n"
                f"MaildirStore near\nPath {root}/{user}/\nInbox {root}/{user}/INBOX\n\n"
                f"Channel c\nFar :far:INBOX\nNear :near:INBOX\nCreate Near\nSync PullNew\nSyncState {root}/{user}.state\n")

    def check(_cost):
        got = sum(1 for user in users for part in ("cur", "new") for _ in (root / user / "INBOX" / part).glob("*"))
        return "" if got == messages else f"{got} of {messages} messages"

    if len(users) == 1:
        return Contender("mbsync", ["mbsync", "-q", "-c", str(root / f"{users[0]}.rc"), "c"], prepare, check)
    many = f"ls {root}/*.rc | xargs -P {parallel} -I@ mbsync -q -c @ c"
    return Contender(f"mbsync, {parallel} processes", ["sh", "-c", many], prepare, check)


class Daemon:
    """Our daemon with a configuration and a SQLite database of its own, on the disk."""

    def __init__(self, bench, name):
        self.bench, self.root, self.process = bench, bench.dir / name, None
        self.config, self.database = self.root / "mailsyncd.toml", self.root / "mailsyncd.db"

    def configure(self, users, *, protocol="imap", interval="24h", push=False, connections=50):
        """Writes the configuration; the database stays as it is."""
        (self.root / "conf.d").mkdir(parents=True, exist_ok=True)
        secret = self.root / "password"
        if not secret.exists():
            secret.write_text("bench\n")
            secret.chmod(0o400)
        connections = max(connections, 2 * len(users) if push else 0)
        self.config.write_text(f"""\
[database]
url = "sqlite:{self.database}"
[network]
allowed_ports = [{self.bench.port}]
extra_ca_files = ["{self.bench.ca}"]
[polling]
push = {str(push).lower()}
[limits]
connections = {connections}
connections_per_host = {connections}
logins_per_host_per_second = 10000
[[profile]]
name = "bench"
server_type = "{protocol}_smtp"
minimum_polling_interval = "{interval}"
maximum_concurrent_connections = 10
incoming = {{ host = "localhost", port = {self.bench.port}, security = "tls" }}
authenticate_using = "mailbox"
process_email_from = 2020-01-01T00:00:00Z
""")
        (self.root / "conf.d" / "mailboxes.toml").write_text("".join(f"""\
[[user]]
name = "{user}"
email_address = "{user}@bench.example"
[[mailbox]]
email_address = "{user}@bench.example"
owner = "user:{user}"
profile = "bench"
username = "{user}"
password_file = "{secret}"
approved = true
enabled = true
""" for user in users))

    def command(self, *words):
        """The words of a command line, in the environment that the unit and the container give it."""
        return ["env", *ENVIRONMENT, str(self.bench.binary), "--config", str(self.config), *words]

    def forget(self):
        """Removes configuration and database."""
        shutil.rmtree(self.root, ignore_errors=True)

    def recorded(self):
        """Rows in the ledger, and activities."""
        return self._count("inbox_ledger"), self._count("email_activities")

    def polled(self, since):
        """Mailboxes whose last complete cycle ended after this moment."""
        moment = datetime.fromtimestamp(since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return self._count(f"mailboxes WHERE incoming_last_success_at >= '{moment}'")

    def _count(self, rows):
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            return database.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]

    def start(self):
        """Starts `run` without end."""
        with (self.root / "log").open("w") as log:
            self.process = subprocess.Popen(self.command("run"), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self.process.pid

    def stop(self):
        """SIGTERM, and waits."""
        self.process.terminate()
        self.process.wait(timeout=60)

    def settled(self, limit=120):
        """The memory of the running daemon once it has stopped changing."""
        last, same, end = None, 0, time.monotonic() + limit
        while same < 4 and time.monotonic() < end:
            time.sleep(1)
            if self.process.poll() is not None:
                raise SystemExit(f"the daemon ended by itself: {(self.root / 'log').read_text()[-1000:]}")
            now = measure.memory(self.process.pid)
            same = same + 1 if last and abs(now["rss"] - last["rss"]) <= 64 else 0
            last = now
        return last


def ours(bench, users, messages, *, fresh=True, name="daemon", **settings):
    """`mailsyncd run --once` into SQLite on the disk; without `fresh` over what an earlier run recorded."""
    daemon, prepared = Daemon(bench, name), [0.0]

    def prepare():
        if fresh:
            daemon.forget()
        daemon.configure(users, **settings)
        prepared[0] = time.time()

    def check(_cost):
        (ledger, activities), polled = daemon.recorded(), daemon.polled(prepared[0])
        good = (ledger, activities, polled) == (messages, messages, len(users))
        return "" if good else f"{ledger} ledger rows and {activities} activities of {messages}, {polled} of {len(users)} mailboxes polled"

    return Contender("mailsyncd", daemon.command("run", "--once"), prepare, check)


def insert_only(bench, name="daemon"):
    """The same rows alone, read back from the daemon's database and inserted into a fresh one by the same code."""
    fresh = bench.dir / "insert-only" / "copy.db"

    def prepare():
        shutil.rmtree(fresh.parent, ignore_errors=True)
        fresh.parent.mkdir()

    def check(cost):
        # The program reads before it writes; only the writing counts, and it says how long that took.
        fields = cost.output.split()
        if len(fields) < 4 or fields[0] != "inserted":
            return f"unexpected output {cost.output!r}"
        cost.wall = float(fields[3])
        return ""

    return Contender("insert only", [str(bench.examples / "insert_only"), str(bench.dir / name / "mailsyncd.db"), str(fresh)], prepare, check)


def poplib(bench, user, messages):
    """The standard library's poplib, which fetches and forgets."""
    script = str(Path(__file__).with_name("pop_client.py"))

    def check(cost):
        return "" if cost.output.startswith(f"{messages} ") else f"got {cost.output.strip()}"

    return Contender("poplib", ["python3", script, str(bench.port), str(bench.ca), user], check=check)


def imapflow(bench, mode, users, count, connections):
    """Node's imapflow, which fetches and forgets; installed on first use."""
    here = bench.dir / "node"

    def prepare():
        if not (here / "node_modules" / "imapflow").exists():
            here.mkdir(exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--prefix", str(here), "imapflow@2.1.0"], check=True)
        shutil.copy(Path(__file__).with_name("imapflow.mjs"), here / "client.mjs")

    command = ["node", str(here / "client.mjs"), mode, str(bench.port), str(bench.ca), users, str(count), str(connections)]
    return Contender("imapflow", command, prepare)


def aioimaplib(bench, mode, users, count, connections):
    """Python's aioimaplib, which fetches and forgets; installed on first use."""
    here = bench.dir / "venv"

    def prepare():
        if not (here / "bin" / "pip").exists():
            subprocess.run(["python3", "-m", "venv", str(here)], check=True)
            subprocess.run([str(here / "bin" / "pip"), "-q", "install", "aioimaplib==2.0.3"], check=True)

    script = str(Path(__file__).with_name("aio_client.py"))
    command = [str(here / "bin" / "python3"), script, mode, str(bench.port), str(bench.ca), users, str(count), str(connections)]
    return Contender("aioimaplib", command, prepare)


OPTIONAL = {"imapflow": imapflow, "aioimaplib": aioimaplib}
