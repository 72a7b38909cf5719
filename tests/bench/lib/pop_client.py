#!/usr/bin/env python3
"""poplib over TLS, one RETR at a time: pop_client.py PORT CA_FILE USER. Prints messages and octets."""
import poplib
import ssl
import sys

poplib._MAXLINE = 1 << 20
client = poplib.POP3_SSL("localhost", int(sys.argv[1]), context=ssl.create_default_context(cafile=sys.argv[2]))
client.user(sys.argv[3])
client.pass_("bench")
numbers = [line.split()[0] for line in client.uidl()[1]]
octets = sum(client.retr(int(number))[2] for number in numbers)
client.quit()
print(len(numbers), octets)
