#!/usr/bin/env python3
"""smtplib, one connection for each thread: smtp_client.py PORT COUNT FILE CONNECTIONS."""
import smtplib
import sys
import threading
from pathlib import Path

port, count, mail, connections = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_bytes(), int(sys.argv[4])


def send():
    """This thread's share."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        for _ in range(count // connections):
            client.sendmail("a@bench.example", ["b@bench.example"], mail)


threads = [threading.Thread(target=send) for _ in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
