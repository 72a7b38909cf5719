"""aioimaplib as a contender: aio_client.py fetch|poll PORT CA_FILE USER_FORMAT COUNT CONNECTIONS"""
import asyncio
import logging
import ssl
import sys

import aioimaplib

mode, port, ca, name, count, connections = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)
logging.disable(logging.CRITICAL)
messages = 0


async def visit(user):
    """One mailbox. Fifty messages a command: its cost grows with the square of an answer."""
    global messages
    client = aioimaplib.IMAP4_SSL("localhost", int(port), ssl_context=tls, timeout=120)
    await client.wait_hello_from_server()
    await client.login(user, "bench")
    if mode == "poll":
        await client.status("INBOX", "(UIDNEXT UIDVALIDITY MESSAGES)")
    else:
        await client.select("INBOX")
        uids = (await client.uid_search("ALL")).lines[0].decode().split()
        for first in range(0, len(uids), 50):
            answer = await client.uid("fetch", ",".join(uids[first:first + 50]), "(UID BODY.PEEK[])")
            messages += sum(isinstance(line, bytearray) for line in answer.lines)
    await client.logout()


async def worker(users):
    """Takes the next mailbox until there is none."""
    for user in users:
        await visit(user)


async def main():
    """All mailboxes over so many connections."""
    users = iter([name % number if "%" in name else name for number in range(1, int(count) + 1)])
    await asyncio.gather(*(worker(users) for _ in range(int(connections))))
    print(f"messages {messages}")


asyncio.run(main())
