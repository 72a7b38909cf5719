"""Checks of the benchmark itself that need no server: the mail is what it claims to be, the arithmetic is right."""
import email
import email.policy
import hashlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import corpus
from lib import report
from lib.measure import Cost, run
from lib.scenarios import Relay


def check(good, words):
    """Says what was checked; ends the program where it does not hold."""
    print(f"{'ok  ' if good else 'FAIL'} {words}")
    if not good:
        raise SystemExit(1)


def sizes():
    """The law of the big corpus: quantiles and sum of all 20,000 sizes."""
    found = sorted(corpus.size_of(corpus.LAW["big"], index) for index in range(20_000))
    wanted = {.1: 4_000, .5: 10_200, .9: 73_000, .99: 664_000}
    near = all(abs(found[int(share * 20_000)] / size - 1) < .03 for share, size in wanted.items())
    check(near and abs(sum(found) / 863e6 - 1) < .02 and 5_300_000 < found[-1] < 5_485_001, "sizes follow the law")


def mail():
    """Messages are the same every time, of the size asked for, parse without defects, and have distinct Message-IDs."""
    material, seen, digests, kinds = corpus.Material(), set(), [], set()
    for index in range(300):
        size = corpus.size_of(corpus.LAW["rtt"], index)
        data, _ = corpus.message(material, "check", index, size)
        again, _ = corpus.message(material, "check", index, size)
        parsed = email.message_from_bytes(data, policy=email.policy.default)
        defects = [defect for part in parsed.walk() for defect in part.defects]
        for part in parsed.walk():
            if part.get_content_maintype() != "multipart":
                part.get_content()
                defects += part.defects
        wire = len(data) + data.count(b"\n")
        if data != again or defects or not .8 * size - 2_000 < wire < 1.2 * size + 2_000:
            check(False, f"message {index} of {size} bytes: {wire} on the wire, {defects}")
        seen.add(parsed["message-id"])
        kinds.add(parsed.get_content_type())
        digests.append(hashlib.sha256(data).digest())
    check(len(seen) == len(set(digests)) == 300 and len(kinds) >= 4, "300 messages parse, differ, and come out the same twice")


def arithmetic():
    """Ratios are taken within a turn, and a failed run does not count."""
    def cost(name, turn, wall, failed=""):
        return Cost("s", name, turn, wall, wall, .25 * wall, 1000, 0.0, 0.0, failed, "")

    costs = [cost("raw", 1, 1), cost("x", 1, 2), cost("raw", 2, 10), cost("x", 2, 30), cost("raw", 3, 1), cost("x", 3, 99, "broken")]
    check(report.ratio(costs, "x", "raw", report.wall) == 2.5, "ratios are those of the turns that count")
    check(report.ratio(costs, "x", "nobody", report.wall) is None, "a contender that did not run gives no ratio")
    check("MISSED" in report.target("t", 2.5, 2) and "reached" in report.target("t", 2, 2), "targets are compared")
    check("broken" in report.table(costs), "the table names the run that failed")


def measuring():
    """A program of known cost is measured so."""
    spin = "import time; a = b'x' * 50_000_000\nwhile time.process_time() < .5: pass"
    cost = run("s", "spin", 1, [sys.executable, "-c", spin], server=1)
    check(not cost.failed and .45 < cost.cpu < .8 and cost.wall >= .4 and cost.peak_kb > 48_000, "CPU, wall and peak memory are seen")
    check("exit status 3" in run("s", "bad", 1, [sys.executable, "-c", "raise SystemExit(3)"], server=1).failed, "a failure is seen")


def relay():
    """An answer through the relay takes the round trip of the connection and that of the question."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        peer, _ = listener.accept()
        while data := peer.recv(1 << 16):
            peer.sendall(data)
        peer.close()

    threading.Thread(target=answer, daemon=True).start()
    with Relay(listener.getsockname()[1], 40) as port, socket.create_connection(("127.0.0.1", port)) as client:
        times, payload = [], bytes(range(256)) * 4096
        for _ in range(3):
            start, got = time.monotonic(), b""
            threading.Thread(target=client.sendall, args=(payload,)).start()
            while len(got) < len(payload):
                got += client.recv(1 << 20)
            times.append(time.monotonic() - start)
            check(got == payload, "the relay changes nothing")
    check(times[0] >= .079 and min(times) >= .039, f"the relay delays: {', '.join(f'{one * 1000:.0f} ms' for one in times)}")


def maildir():
    """The generator's command line writes a Maildir, and leaves a complete one alone."""
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, corpus.__file__, root, "rtt", "--name", "tiny", "--count", "5"]
        first = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        second = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        names = sorted(path.name for path in (Path(root) / "tiny" / "Maildir" / "cur").iterdir())
    check("written" in first and "there already" in second and len(names) == 5, "a Maildir is written once")


def main():
    """All of them."""
    for one in (sizes, mail, maildir, arithmetic, measuring, relay):
        one()
