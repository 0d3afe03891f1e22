# SPDX-License-Identifier: MIT
"""The servers that ci/bench knows: to add one to every table, add it to SERVERS.

Each of them takes `--port`, prints `listening on HOST:PORT` and ends with 0 at SIGTERM.
"""

from dataclasses import dataclass

PEER_CONNECTION_BYTES = 64 + 16 * 1024  # sizeof(peer_connection)


@dataclass(frozen=True)
class Contender:
    """One server of a comparison."""

    name: str
    command: str  # program and arguments
    kind: str  # weir: makes claims; floor: written by hand; peer: a library's users
    claims: tuple = ()  # the floors with the better of which it claims parity
    connection_bytes: int | None = None  # what it keeps for a connection; weir-echo says it itself

    def arguments(self, folder):
        program, *rest = self.command.split()
        return [folder / program, *rest]

    def program(self):
        return self.command.split()[0]

    def as_shipped(self):
        """The same, spinning before it sleeps as it does unless told; None if it does already."""
        if " --spin 0" not in self.command:
            return None
        command = self.command.replace(" --spin 0", "")
        return Contender(f"{self.name}, spinning", command, self.kind, self.claims)


FLOORS = ("raw-uring", "raw-multishot")  # what ratios are to: in each row the better of these
EPOLL_FLOORS = ("raw-epoll", "raw-epoll-shared")  # each connection its buffer, or one for all

# The floors sleep at once, and so do libuv and Asio: like for like, weir-echo does too. It receives
# into buffers that its loop lends it, or into the session's own.
SERVERS = (
    Contender("weir-uring", "weir-echo --backend uring --spin 0", "weir", FLOORS),
    Contender("weir-uring-own", "weir-echo --backend uring --receive own --spin 0", "weir", FLOORS),
    Contender("weir-native", "echo-native", "weir", FLOORS),
    Contender("weir-native-own", "echo-native --receive own", "weir", FLOORS),
    Contender("weir-epoll", "weir-echo --backend epoll --spin 0", "weir", EPOLL_FLOORS),
    Contender("raw-uring", "echo-raw-uring", "floor", (), PEER_CONNECTION_BYTES),
    Contender("raw-multishot", "echo-raw-multishot", "floor", (), 12),
    Contender("raw-epoll", "echo-raw-epoll", "floor", (), PEER_CONNECTION_BYTES),
    Contender("raw-epoll-shared", "echo-raw-epoll-shared", "floor"),
    Contender("asio-callbacks-epoll", "echo-asio-callbacks-epoll", "peer"),
    Contender("asio-callbacks-uring", "echo-asio-callbacks-uring", "peer"),
    Contender("asio-coroutines-epoll", "echo-asio-coroutines-epoll", "peer"),
    Contender("asio-coroutines-uring", "echo-asio-coroutines-uring", "peer"),
    Contender("libuv", "echo-uv", "peer"),
)
BY_NAME = {server.name: server for server in SERVERS}
