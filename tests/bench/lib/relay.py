#!/usr/bin/env python3
"""A TCP relay on loopback that adds latency: relay.py SERVER_PORT ROUND_TRIP_MS. Prints its own port."""
import asyncio
import collections
import socket
import sys


class Side(asyncio.Protocol):
    """One of the two connections of a session; what it reads is written to the other side half a round trip later."""

    def __init__(self, delay, wait=0.0):
        self.delay, self.queue, self.timer, self.other, self.transport = delay, collections.deque(), None, None, None
        self.loop = asyncio.get_running_loop()
        self.open_at = self.loop.time() + wait

    def connection_made(self, transport):
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(1 << 26)
        self.transport = transport

    def data_received(self, data):
        self.later(bytes(data))

    def eof_received(self):
        self.later(None)
        return True  # the other direction stays open

    def connection_lost(self, error):
        self.later(None)

    def later(self, data):
        """In the order of arrival: one timer for the oldest, not one for each."""
        self.queue.append((max(self.loop.time(), self.open_at) + self.delay, data))
        if self.timer is None:
            self.timer = self.loop.call_at(self.queue[0][0], self.deliver)

    def deliver(self):
        """Writes what is due."""
        self.timer, now = None, self.loop.time()
        if self.other is None or self.other.transport is None:
            self.timer = self.loop.call_later(.001, self.deliver)  # the server's side is still being opened
            return
        while self.queue and self.queue[0][0] <= now + .0002:
            data, target = self.queue.popleft()[1], self.other.transport
            if data is None:
                target.close()
            elif not target.is_closing():
                target.write(data)
        if self.queue:
            self.timer = self.loop.call_at(self.queue[0][0], self.deliver)


async def main(port, round_trip):
    """Serves until it is ended."""
    delay, loop = round_trip / 2000, asyncio.get_running_loop()

    async def join(client):
        # The kernel has answered the client at once; the round trip of a real connect is added here.
        await asyncio.sleep(2 * delay)
        _, server = await loop.create_connection(lambda: Side(delay), "127.0.0.1", port)
        client.other, server.other = server, client

    tasks = set()

    def accept():
        side = Side(delay, 2 * delay)
        task = loop.create_task(join(side))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return side

    server = await loop.create_server(accept, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
    except KeyboardInterrupt:
        pass
