"""Runs one program and says what it cost: wall clock, CPU, peak memory, and the server's CPU meanwhile."""
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
# sqlx runs every SQLite connection on a thread of this name; the kernel keeps 15 characters.
DATABASE_THREADS = "sqlx-sqlite-wor"


@dataclass
class Cost:
    """One run of one contender. Seconds, kilobytes (1,024 octets); `failed` says why it does not count."""

    scenario: str
    contender: str
    turn: int
    wall: float
    cpu: float
    database_cpu: float
    peak_kb: int
    server_cpu: float
    others_cpu: float
    failed: str
    output: str

    def row(self):
        """What is written to the results file."""
        return asdict(self)


def _stat(path):
    """Name and clock ticks (user + system, own + reaped children) of a process or thread, and its parent."""
    text = (path / "stat").read_text()
    name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
    own, reaped = int(rest[11]) + int(rest[12]), int(rest[13]) + int(rest[14])
    return name, int(rest[1]), own, reaped


def tree_cpu(root):
    """CPU seconds of a process and all its descendants, the ended ones included."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            _, parent, own, reaped = _stat(path)
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(path.name))
        ticks[int(path.name)] = own + reaped
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        total += ticks.get(pid, 0)
        todo += parents.get(pid, [])
    return total / TICK


def machine_cpu():
    """CPU seconds that the machine was busy since it started."""
    fields = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


class Watch(threading.Thread):
    """Looks at a process ten times a second: what its database threads cost, as they end before the process does, and its
    peak memory, as wait4() never tells less than what this Python had when it started the process."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.process, self.seen, self.peak_kb, self.ended = Path(f"/proc/{pid}"), {}, 0, threading.Event()

    def look(self):
        """One look."""
        try:
            for line in (self.process / "status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak_kb = int(line.split()[1])
            for task in (self.process / "task").iterdir():
                name, _, own, _ = _stat(task)
                self.seen[task.name] = (name, own)
        except OSError:
            pass  # a thread, or the process, ended meanwhile

    def run(self):
        while not self.ended.wait(.1):
            self.look()

    def by_name(self):
        """CPU seconds by thread name."""
        total = {}
        for name, own in self.seen.values():
            total[name] = total.get(name, 0) + own / TICK
        return total


def run(scenario, contender, turn, command, *, server, limit=1800):
    """Runs `command` to its end and measures it; `server` is the pid of the mail server's master process."""
    os.sync()  # what the contender before left to be written is not this one's cost
    with tempfile.TemporaryFile("w+") as out:
        server_before, machine_before, start = tree_cpu(server), machine_cpu(), time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        watch = Watch(child.pid)
        watch.start()
        timer = threading.Timer(limit, lambda: os.killpg(child.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        timer.cancel()
        watch.ended.set()
        watch.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        machine, on_server = machine_cpu() - machine_before, tree_cpu(server) - server_before
        out.seek(0)
        output = out.read()
    cpu = usage.ru_utime + usage.ru_stime
    database = sum(seconds for name, seconds in watch.by_name().items() if name.startswith(DATABASE_THREADS))
    failed = "" if child.returncode == 0 else f"exit status {child.returncode}: {output.strip()[-300:]}"
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = usage.ru_maxrss if usage.ru_maxrss > own_peak else watch.peak_kb
    if Path(command[0]).name == "sh":
        peak = 0  # many processes: nobody knows how much at a time
    return Cost(scenario, contender, turn, wall, cpu, database, peak, on_server,
                max(0.0, machine - cpu - on_server), failed, output[-2000:])


def memory(pid):
    """RSS, PSS and private memory of a process now, in kB."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, value = line.split(":", 1)
        fields[key] = int(value.split()[0])
    return {"rss": fields["Rss"], "pss": fields["Pss"], "private": fields["Private_Clean"] + fields["Private_Dirty"]}


def established(port):
    """How many connections the server has open on its port."""
    wanted, total = f":{port:04X}", 0
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            total += fields[1].endswith(wanted) and fields[3] == "01"
    return total
