# SPDX-License-Identifier: MIT
"""Many clients in one thread."""

import selectors
import socket
import time


class Client:
    """Sends a message, waits for its echo, and again; until it is told to stop or cut off."""

    def __init__(self, crowd, number):
        self.crowd = crowd
        self.message = (b"%d " % number) * (crowd.message_bytes // 4 + 1)
        self.message = self.message[:crowd.message_bytes]
        self.unsent = b""
        self.answer = bytearray()
        self.received_bytes = 0
        self.echoes = 0
        self.ended = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(crowd.address)
        self.begin()
        crowd.selector.register(self.socket, selectors.EVENT_WRITE, self)

    def begin(self):
        self.unsent = self.message
        self.answer.clear()

    def listen_for(self, events):
        self.crowd.selector.modify(self.socket, events, self)

    def handle(self, events):
        try:
            if events & selectors.EVENT_WRITE:
                self.write()
            else:
                self.read()
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def write(self):
        self.unsent = self.unsent[self.socket.send(self.unsent):]
        if not self.unsent:
            self.listen_for(selectors.EVENT_READ)

    def read(self):
        part = self.socket.recv(1 << 16)
        if not part:
            self.end()
            return
        self.answer += part
        self.received_bytes += len(part)
        assert self.message.startswith(self.answer), "wrong bytes came back"
        if len(self.answer) == len(self.message):
            self.echoes += 1
            self.answered()

    def answered(self):
        if self.echoes == self.crowd.echoes_each:
            self.crowd.waiting -= 1
            if self.crowd.closes:
                self.end()
            return
        self.begin()
        self.listen_for(selectors.EVENT_WRITE)

    def end(self):
        if self.ended:
            return
        self.ended = True
        self.crowd.live -= 1
        self.crowd.selector.unregister(self.socket)
        self.socket.close()


class Crowd:
    """Clients of one server. Each wants echoes_each echoes (None: no end) and then, if the crowd
    closes, leaves; else it stays, connected and silent."""

    def __init__(self, server, count, message_bytes=64, echoes_each=None, closes=True):
        self.address = server.address
        self.message_bytes = message_bytes
        self.echoes_each = echoes_each
        self.closes = closes
        self.selector = selectors.DefaultSelector()
        self.live = count
        self.waiting = count  # Clients that have not had all they want.
        self.clients = [Client(self, number) for number in range(count)]

    def run_until(self, condition, timeout_s):
        """Let them exchange until the condition holds. Returns whether it does."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            left_s = deadline - time.monotonic()
            if left_s < 0:
                return False
            for key, events in self.selector.select(min(left_s, 0.05)):
                key.data.handle(events)
        return True

    def run_for(self, seconds):
        self.run_until(lambda: False, seconds)

    def leave(self):
        """Close those who have had all they want."""
        for client in self.clients:
            if client.echoes == self.echoes_each:
                client.end()

    def close(self):
        for client in self.clients:
            client.end()
        self.selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def received_bytes(self):
        return sum(client.received_bytes for client in self.clients)

    @property
    def echoes(self):
        return sum(client.echoes for client in self.clients)
