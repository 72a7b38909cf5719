#!/usr/bin/env python3
"""Writes the benchmark's mail into Maildirs; the same call gives the same bytes on any machine.

    corpus.py MAIL_DIR big  [--count 20000]             one mailbox, about 863 MB
    corpus.py MAIL_DIR rtt  [--count 500]               one mailbox, about 19 MB
    corpus.py MAIL_DIR many [--count 2000] [--per 10]   m00001, m00002 ..., about 764 MB

A mailbox that is complete already is left alone. Sizes follow LAW by their quantiles; what a message
consists of follows from its size: short ones are plain text or text with HTML, then come long HTML
and inline images, above that base64 attachments, nested as mail programs nest them.
"""
import argparse
import base64
import os
import quopri
import random
import shutil
import sys
from email.header import Header
from email.utils import formatdate
from pathlib import Path

KB = 1000
# (share of the messages that is smaller, size in bytes); between two points the logarithm is linear.
BODY = [(0, 2 * KB), (.1, 4 * KB), (.5, 10.2 * KB), (.8, 24 * KB), (.9, 73 * KB), (.95, 140 * KB), (.99, 664 * KB)]
LAW = {
    "big": BODY + [(.999, 1000 * KB), (.99901, 4500 * KB), (1, 5485 * KB)],
    "rtt": BODY + [(1, 850 * KB)],
    "many": BODY + [(1, 850 * KB)],
}
GOLDEN = 0.6180339887498949
FIRST_DATE = 1_735_689_600  # 2025-01-01T00:00:00Z
WORDS = """harbour ledger copper window timber garden signal bridge lantern market ticket parcel engine
morning river paper button carpet winter silver number corner answer kitchen island doctor matter
anchor basket candle desert eleven forest guitar hammer insect jacket kettle ladder mirror needle
Brücke Schlüssel Fenster Straße übermorgen Größe château élève forêt garçon été hiver niño señal
żaba źródło książka łąka świeca ďalší čaj Дорога мост письмо огонь 電車 手紙 窓 港""".split()
PEOPLE = ["Nora Feld", "Amir Haddad", "Zofia Łęcka", "Jörg Weiß", "Hélène Petit", "Мария Орлова", "佐藤 花子",
          "Tom O'Neill", "Íñigo Sáez", "Priya Nair"]
HOSTS = ["alpha.example", "beta.example", "gamma.example", "mail.delta.example"]


def size_of(law, index):
    """The size of message number `index`: a low-discrepancy walk over the quantiles, so that every prefix has the law."""
    share = (index + .5) * GOLDEN % 1
    for (below, small), (above, large) in zip(law, law[1:]):
        if share <= above:
            return int(small * (large / small) ** ((share - below) / (above - below)))
    return int(law[-1][1])


class Material:
    """Long texts to cut pieces from: much faster than making every message word by word."""

    def __init__(self):
        dice = random.Random("mailsyncd bench material")
        sentences = [" ".join(dice.choices(WORDS, k=dice.randint(4, 9))) + "." for _ in range(24_000)]
        plain = [line.encode() for line in sentences]
        latin = [line.encode("ascii", "ignore") for line in sentences]
        html = [b'<p style="margin:0 0 8px">' + line + b"</p>" for line in plain]
        self.ascii = b"\n".join(latin)
        self.utf8 = b"\n".join(plain)
        self.quoted = b"\n".join(quopri.encodestring(line) for line in plain)
        self.html = b"\n".join(quopri.encodestring(line) for line in html)
        self.base64 = base64.encodebytes(dice.randbytes(57 * 130_000))
        self.text64 = base64.encodebytes(b"\r\n".join(plain))

    @staticmethod
    def cut(dice, pool, size, mark=b"\n"):
        """About `size` bytes of whole lines ending in `mark`."""
        start = pool.find(mark, dice.randrange(max(1, len(pool) - size - 4000))) + len(mark)
        end = pool.find(mark, start + max(1, size))
        return pool[start:end + len(mark)] if end > 0 else pool[start:]

    def lines64(self, dice, pool, size):
        """About `size` bytes of full base64 lines; every such cut decodes."""
        lines = max(1, size // 77)
        start = dice.randrange(max(1, len(pool) // 77 - lines - 1)) * 77
        return pool[start:start + lines * 77]


def text_part(dice, material, size):
    """A text/plain part in one of the four ways in which they are met."""
    how = dice.choices("7q8b", (35, 35, 20, 10))[0]
    if how == "7":
        return b"Content-Type: text/plain; charset=us-ascii\n\n" + material.cut(dice, material.ascii, size, b".\n")
    kind = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    if how == "q":
        return kind + b"quoted-printable\n\n" + material.cut(dice, material.quoted, size, b".\n")
    if how == "8":
        return kind + b"8bit\n\n" + material.cut(dice, material.utf8, size, b".\n")
    return kind + b"base64\n\n" + material.lines64(dice, material.text64, size)


def html_part(dice, material, size):
    """A text/html part."""
    return (b"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<html><body>\n"
            + material.cut(dice, material.html, size, b"</p>\n") + b"</body></html>\n")


def file_part(dice, material, size, inline):
    """An attachment, or an image shown in the HTML."""
    name = dice.choice(["report", "Übersicht", "scan_0042", "фото", "contract final"]) + dice.choice([".pdf", ".png", ".docx"])
    kind = {".pdf": "application/pdf", ".png": "image/png"}.get(name[name.rindex("."):], "application/octet-stream")
    shown = name if name.isascii() else Header(name, "utf-8").encode()
    place = f"inline\nContent-ID: <{dice.getrandbits(48):x}@bench>" if inline else f'attachment; filename="{shown}"'
    head = f'Content-Type: {kind}; name="{shown}"\nContent-Transfer-Encoding: base64\nContent-Disposition: {place}\n\n'
    return head.encode() + material.lines64(dice, material.base64, size)


def nest(dice, subtype, parts):
    """A multipart of these parts."""
    mark = f"--=_{dice.getrandbits(96):024x}"
    body = b"".join(b"--" + mark.encode() + b"\n" + part + b"\n" for part in parts)
    return f'Content-Type: multipart/{subtype}; boundary="{mark}"\n\n'.encode() + body + b"--" + mark.encode() + b"--\n"


def content(dice, material, size):
    """Content-Type and body of about `size` bytes."""
    if size < 6 * KB and dice.random() < .5:
        return text_part(dice, material, size)
    words = dice.randint(6 * KB, 40 * KB)
    words = words if size - words > 8 * KB else size
    plain = text_part(dice, material, words // 4)
    texts = nest(dice, "alternative", [plain, html_part(dice, material, words - len(plain))])
    rest = size - len(texts)
    if rest < 4 * KB:
        return texts
    if rest < 60 * KB and dice.random() < .5:
        return nest(dice, "related", [texts, file_part(dice, material, rest, inline=True)])
    count = dice.choice([1, 1, 1, 2, 3])
    return nest(dice, "mixed", [texts] + [file_part(dice, material, rest // count, inline=False) for _ in range(count)])


def address(dice, person, mailbox):
    """A display name with an address, encoded as RFC 2047 says."""
    name = f'"{person}"' if person.isascii() else Header(person, dice.choice(["utf-8", "utf-8", None]) or "utf-8").encode()
    return f"{name} <{mailbox}>"


def message(material, user, index, size):
    """One message of about `size` bytes on the wire, with LF, and its date."""
    dice = random.Random(f"{user}/{index}")
    date = FIRST_DATE + index * 300 + dice.randrange(300)
    subject = " ".join(dice.choices(WORDS, k=dice.randint(2, 8)))
    sender = f"{dice.choice('abcdefgh')}{dice.randrange(400)}@{dice.choice(HOSTS)}"
    head = [f"Return-Path: <{sender}>"]
    for hop in range(dice.randint(1, 4)):
        head.append(f"Received: from relay{hop}.{dice.choice(HOSTS)} ([198.51.100.{dice.randrange(1, 255)}])\n"
                    f"\tby mx{hop}.bench.example with ESMTPS id {dice.getrandbits(44):X};\n\t{formatdate(date + hop)}")
    head += [f"From: {address(dice, dice.choice(PEOPLE), sender)}",
             f"To: {address(dice, dice.choice(PEOPLE), user + '@bench.example')}"]
    if dice.random() < .3:
        head.append("Cc: " + ",\n\t".join(address(dice, who, f"cc{dice.randrange(80)}@{dice.choice(HOSTS)}")
                                           for who in dice.sample(PEOPLE, dice.randint(1, 3))))
    head += [f"Subject: {subject if subject.isascii() else Header(subject, 'utf-8', header_name='Subject').encode()}",
             f"Date: {formatdate(date)}", f"Message-ID: <{user}.{index}.{dice.getrandbits(64):016x}@bench.example>"]
    if index and dice.random() < .3:
        parent = f"<{user}.{dice.randrange(index)}.{dice.getrandbits(64):016x}@bench.example>"
        head += [f"In-Reply-To: {parent}", f"References: {parent}"]
    head = "\n".join(head + ["MIME-Version: 1.0", ""]).encode()
    # A line end costs one byte more on the wire; a line has about 70 bytes.
    return head + content(dice, material, int((size - len(head)) * .978)), date


def mailbox(material, root, user, law, numbers, owner):
    """The Maildir of one user; `numbers` are the places of its messages in the law."""
    box = root / user / "Maildir"
    stamp = root / user / f".complete-{len(numbers)}"
    if stamp.exists():
        return 0
    shutil.rmtree(root / user, ignore_errors=True)
    for name in ("cur", "new", "tmp"):
        (box / name).mkdir(parents=True)
    total = 0
    for index, number in enumerate(numbers):
        data, date = message(material, user, index, size_of(law, number))
        wire = len(data) + data.count(b"\n")
        total += wire
        path = box / "cur" / f"{date}.M{index}P1.bench,S={len(data)},W={wire}:2,"
        path.write_bytes(data)
        os.utime(path, (date, date))
        os.chown(path, *owner)
    stamp.touch()
    for path in (root / user, box, box / "cur", box / "new", box / "tmp"):
        os.chown(path, *owner)
    return total


def main():
    """The command line."""
    args = argparse.ArgumentParser(description="writes the benchmark's mail into Maildirs")
    args.add_argument("root", type=Path)
    args.add_argument("corpus", choices=LAW)
    args.add_argument("--name", help="the user of big and rtt; default: the corpus' name")
    args.add_argument("--count", type=int, help="messages, of many: users")
    args.add_argument("--per", type=int, default=10, help="messages for each user of many")
    args.add_argument("--owner", default=f"{os.getuid()}:{os.getgid()}", help="numeric uid:gid")
    args = args.parse_args()
    owner = tuple(map(int, args.owner.split(":")))
    law, count = LAW[args.corpus], args.count or {"big": 20_000, "rtt": 500, "many": 2_000}[args.corpus]
    material = Material()
    if args.corpus == "many":
        total = sum(mailbox(material, args.root, f"m{user + 1:05d}", law, range(user * args.per, (user + 1) * args.per), owner)
                    for user in range(count))
    else:
        total = mailbox(material, args.root, args.name or args.corpus, law, range(count), owner)
    print(f"{args.corpus}: {total / 1e6:.1f} MB written" if total else f"{args.corpus}: there already")


if __name__ == "__main__":
    sys.exit(main())
