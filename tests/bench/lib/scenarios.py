"""What is measured. Every scenario prepares its mail, runs its contenders in turns, prints a table and the targets."""
import json
import subprocess
import sys
import time
from pathlib import Path

from lib import clients, measure, report, sending
from lib.clients import Daemon

HERE = Path(__file__).resolve().parent.parent


class Scenarios:
    """The scenarios over one bench; `options` are those of the command line."""

    def __init__(self, bench, options):
        self.bench, self.options = bench, options
        self.results = bench.dir / "results.jsonl"

    # --- the parts they are made of ---

    def corpus(self, kind, *words):
        """Writes the mail where it is not there already."""
        owner = subprocess.run(["sh", "-c", "echo $(id -u nobody):$(id -g nobody)"], capture_output=True, text=True, check=True)
        command = [sys.executable, str(HERE / "corpus.py"), str(self.bench.mail), kind, "--owner", owner.stdout.strip(), *words]
        subprocess.run(command, check=True)

    def turns(self, scenario, contenders, *, server=None, base="raw"):
        """All contenders one after the other, as often as asked for. `server` is the pid of what they
        talk to, `base` the contender that the others are compared with."""
        server = server or self.bench.server
        wanted = [one for one in contenders if one and (not self.options.only or one.name in self.options.only)]
        wanted[0].prepare()
        subprocess.run(wanted[0].command, capture_output=True, check=False)  # the server's caches are warm for everybody
        costs = []
        for turn in range(1, self.options.passes + 1):
            for one in wanted:
                one.prepare()
                cost = measure.run(scenario, one.name, turn, one.command, server=server)
                cost.failed = cost.failed or one.check(cost)
                costs.append(cost)
                with self.results.open("a") as file:
                    file.write(json.dumps(cost.row() | {"quick": self.options.quick}) + "\n")
                note = f"  FAILED: {cost.failed}" if cost.failed else ""
                print(f"  turn {turn}  {one.name:<22} {cost.wall:7.2f} s  CPU {cost.cpu:6.2f} s{note}", flush=True)
        print("\n" + report.table(costs, base) + "\n")
        return costs

    def others(self, *args):
        """The peers that were asked for by name."""
        return [clients.OPTIONAL[name](self.bench, *args) for name in self.options.also if name in clients.OPTIONAL]

    def keep(self, row):
        """Keeps a figure that is not a run of a contender."""
        with self.results.open("a") as file:
            file.write(json.dumps(row | {"quick": self.options.quick}) + "\n")

    # --- one mailbox ---

    def big(self):
        """One mailbox of 20,000 messages, 863 MB."""
        count = 2_000 if self.options.quick else 20_000
        user = f"big{count}"
        self.corpus("big", "--name", user, "--count", str(count))
        costs = self.turns("big", [
            clients.raw(self.bench, "fetch", user, 1, 1, count),
            clients.ours(self.bench, [user], count),
            clients.insert_only(self.bench),
            clients.mbsync(self.bench, [user], count),
            *self.others("fetch", user, 1, 1),
        ])
        self.database_bound(costs)
        print(report.target("wall / mbsync", report.ratio(costs, "mailsyncd", "mbsync", report.wall), .5))
        print(report.target("CPU without the database / raw", report.ratio(costs, "mailsyncd", "raw", report.own_cpu), 3))
        print(report.target("peak resident memory", report.median(costs, "mailsyncd", report.peak), 96, " MB"))

    def database_bound(self, costs):
        """Wall against raw, where the database may be the limit."""
        raw, insert = (report.median(costs, name, report.wall) for name in ("raw", "insert only"))
        allowed = max(2, 1.2 * (raw + insert) / raw) if raw and insert else 2
        print(report.target("wall / raw", report.ratio(costs, "mailsyncd", "raw", report.wall), allowed))
        if raw and insert:
            print(f"    (2 x raw is {2 * raw:.2f} s, 1.2 x (raw + insert only) is {1.2 * (raw + insert):.2f} s)")

    def peak(self):
        """Peak resident memory while one mailbox is drained."""
        count = 2_000 if self.options.quick else 20_000
        user = f"big{count}"
        self.corpus("big", "--name", user, "--count", str(count))
        costs = self.turns("peak", [clients.raw(self.bench, "fetch", user, 1, 1, count), clients.ours(self.bench, [user], count)])
        print(report.target("peak resident memory", report.median(costs, "mailsyncd", report.peak), 96, " MB"))

    def rtt(self):
        """500 messages at a round trip of 20 ms."""
        count = 100 if self.options.quick else 500
        user = f"rtt{count}"
        self.corpus("rtt", "--name", user, "--count", str(count))
        with Relay(self.bench.port, self.options.round_trip) as port:
            far = Scenarios(self.bench.at(port), self.options)
            costs = far.turns("rtt", [
                clients.raw(far.bench, "fetch", user, 1, 1, count),
                clients.ours(far.bench, [user], count),
                clients.mbsync(far.bench, [user], count),
                *far.others("fetch", user, 1, 1),
            ])
        print(report.target("wall / raw", report.ratio(costs, "mailsyncd", "raw", report.wall), 1.5))

    # --- one maildrop ---

    def pop_big(self):
        """One maildrop of 20,000 messages, 863 MB, over POP3S."""
        count = 2_000 if self.options.quick else 20_000
        user = f"big{count}"
        self.corpus("big", "--name", user, "--count", str(count))
        bench = self.bench.pop
        costs = self.turns("pop-big", [
            clients.raw(bench, "retr", user, 1, 1, count),
            clients.ours(bench, [user], count, name="pop", protocol="pop3"),
            clients.insert_only(bench, "pop"),
            clients.poplib(bench, user, count),
        ])
        print(report.target("wall / raw", report.ratio(costs, "mailsyncd", "raw", report.wall), 2))

    def pop_rtt(self):
        """500 messages over POP3S at a round trip of 20 ms."""
        count = 100 if self.options.quick else 500
        user = f"rtt{count}"
        self.corpus("rtt", "--name", user, "--count", str(count))
        with Relay(self.bench.pop.port, self.options.round_trip) as port:
            far = Scenarios(self.bench.at(port), self.options)
            costs = far.turns("pop-rtt", [
                clients.raw(far.bench, "retr", user, 1, 1, count),
                clients.ours(far.bench, [user], count, name="pop", protocol="pop3"),
                clients.poplib(far.bench, user, count),
            ])
        print(report.target("wall / raw", report.ratio(costs, "mailsyncd", "raw", report.wall), 2))

    # --- sending ---

    def send(self):
        """5,000 mails of 10 kB to smtp-sink over 10 reused connections, every mark durable."""
        count = 500 if self.options.quick else 5_000
        with sending.Sink() as sink:
            costs = self.turns("send", [make(self.bench, sink.port, count) for make in (
                sending.smtp_source, sending.ours, sending.commits_only, sending.smtplib, sending.nodemailer)], server=sink.process.pid, base="smtp-source")
        source, commits = (report.median(costs, name, report.wall) for name in ("smtp-source", "commits only"))
        ours = report.median(costs, "mailsyncd", report.wall)
        print(report.target("wall / nodemailer", report.ratio(costs, "mailsyncd", "nodemailer", report.wall), 1))
        if source and commits and ours:
            print(report.target("wall / (smtp-source + commits only)", ours / (source + commits), 1.3))

    def conversation(self):
        """The same mails with marks in memory: what the conversation itself costs."""
        count = 500 if self.options.quick else 5_000
        with sending.Sink() as sink:
            costs = self.turns("conversation", [make(self.bench, sink.port, count) for make in (
                sending.smtp_source, sending.conversation, sending.smtplib, sending.nodemailer)], server=sink.process.pid, base="smtp-source")
        print(report.target("CPU / smtplib", report.ratio(costs, "mailsyncd, in memory", "smtplib", report.cpu), 1))

    # --- many mailboxes ---

    def users(self):
        """The users of many mailboxes, with ten messages each."""
        count = 100 if self.options.quick else 2_000
        self.corpus("many", "--count", str(count))
        return [f"m{number:05d}" for number in range(1, count + 1)]

    def many_first(self):
        """2,000 mailboxes with 10 new messages each."""
        users = self.users()
        costs = self.turns("many-first", [
            clients.raw(self.bench, "fetch", "m%05d", len(users), 50, 10 * len(users)),
            clients.ours(self.bench, users, 10 * len(users)),
            clients.insert_only(self.bench),
            clients.mbsync(self.bench, users, 10 * len(users), parallel=8) if "mbsync" in self.options.also else None,
            *self.others("fetch", "m%05d", len(users), 50),
        ])
        self.database_bound(costs)

    def many_poll(self):
        """2,000 mailboxes with nothing new, one poll each."""
        users = self.users()
        first = clients.ours(self.bench, users, 10 * len(users), name="poll")
        first.prepare()
        done = subprocess.run(first.command, capture_output=True, text=True, check=False)
        if done.returncode or first.check(None):
            raise SystemExit(f"the first synchronization failed: {first.check(None)} {done.stderr[-500:]}")
        costs = self.turns("many-poll", [
            clients.raw(self.bench, "poll", "m%05d", len(users), 50, 0),
            clients.ours(self.bench, users, 10 * len(users), name="poll", fresh=False, interval="0s"),
            *self.others("poll", "m%05d", len(users), 50),
        ])
        print(report.target("wall / raw", report.ratio(costs, "mailsyncd", "raw", report.wall), 1.3))
        print(report.target("CPU / raw", report.ratio(costs, "mailsyncd", "raw", report.cpu), 1.3))

    # --- memory ---

    def drained(self, name, users, messages):
        """A daemon, not running, whose database has every mailbox at its end."""
        daemon = Daemon(self.bench, name)
        daemon.forget()
        daemon.configure(users)
        subprocess.run(daemon.command("run", "--once"), check=True, capture_output=True)
        if daemon.recorded() != (messages, messages):
            raise SystemExit(f"{daemon.recorded()} rows recorded of {messages}")
        return daemon

    def idle(self):
        """What one IDLE connection costs, each of 1,000."""
        count = 100 if self.options.quick else 1_000
        self.corpus("many", "--count", str(count))
        daemon = self.drained("idle", [f"m{number:05d}" for number in range(1, count + 1)], 10 * count)
        daemon.start()
        without = daemon.settled()
        open_without = measure.established(self.bench.port)
        daemon.stop()
        daemon.configure([f"m{number:05d}" for number in range(1, count + 1)], push=True, interval="0s")
        # The next poll is a day away by the interval of before.
        addresses = [f"m{number:05d}@bench.example" for number in range(1, count + 1)]
        subprocess.run(daemon.command("mailbox", "poll", *addresses), check=True, stdout=subprocess.DEVNULL)
        pid = daemon.start()
        end = time.monotonic() + 180
        while measure.established(self.bench.port) < count and time.monotonic() < end:
            time.sleep(.5)
        held, with_all = measure.established(self.bench.port), daemon.settled()
        daemon.stop()
        limit = clients.raw(self.bench, "idle", "m%05d", count, 50, 0)
        raw = subprocess.Popen(limit.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        raw.stdout.readline()
        raw_memory = measure.memory(raw.pid)
        raw.communicate()
        print(f"  daemon {pid}: {open_without} connections {without}, {held} connections {with_all}, raw {raw_memory}")
        if held < count:
            raise SystemExit(f"only {held} of {count} connections were open")
        each = {kind: (with_all[kind] - without[kind]) * 1024 / 1000 / (held - open_without) for kind in with_all}
        self.keep({"scenario": "idle", "connections": held, "without": without, "with": with_all, "each_kb": each, "raw": raw_memory})
        print(f"  raw: {raw_memory['rss'] * 1024 / 1000 / count:.1f} kB for each, its base included")
        print(report.target("resident memory for each connection", each["rss"], 60, " kB"))

    def memory_10000(self):
        """Resident memory with 10,000 scheduled mailboxes and no connection."""
        few, many = (100, 500) if self.options.quick else (1_000, 10_000)
        found = {}
        for count in (few, many):
            daemon = self.drained(f"memory-{count}", [f"empty{number:05d}" for number in range(1, count + 1)], 0)
            daemon.start()
            found[count] = daemon.settled()
            if measure.established(self.bench.port):
                raise SystemExit("there are connections, though nothing is due")
            daemon.stop()
            daemon.forget()
            print(f"  {count} mailboxes: {found[count]}")
        more = (found[many]["rss"] - found[few]["rss"]) * 1024 / 1000 / (many - few)
        self.keep({"scenario": "memory-10000", "found": found, "each_kb": more})
        print(report.target(f"resident memory, {many} mailboxes", found[many]["rss"] * 1024 / 1e6, 100, " MB"))
        print(report.target("for each more", more, 4, " kB"))


class Relay:
    """The relay's process; gives its port."""

    def __init__(self, port, round_trip):
        self.command = [sys.executable, str(HERE / "lib" / "relay.py"), str(port), str(round_trip)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        return int(self.process.stdout.readline())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


NAMES = {"big": Scenarios.big, "rtt": Scenarios.rtt, "many-first": Scenarios.many_first, "many-poll": Scenarios.many_poll,
         "idle": Scenarios.idle, "memory-10000": Scenarios.memory_10000, "peak": Scenarios.peak,
         "pop-big": Scenarios.pop_big, "pop-rtt": Scenarios.pop_rtt, "send": Scenarios.send, "conversation": Scenarios.conversation}
