# SPDX-License-Identifier: MIT
"""The servers that ci/bench knows: to add one to every table, add it to SERVERS, or to BULKS.

Each of them prints `listening on HOST:PORT` and ends with 0 at SIGTERM.
"""

from dataclasses import dataclass, replace

PEER_CONNECTION_BYTES = 64 + 16 * 1024  # sizeof(peer_connection)


@dataclass(frozen=True)
class Contender:
    """One server of a comparison."""

    name: str
    command: str  # program and arguments
    kind: str  # weir: makes claims; floor: written by hand; peer: a library's users
    claims: tuple = ()  # the floors with the better of which it claims parity
    connection_bytes: int | None = None  # what it keeps for a connection; weir-echo says it itself
    title: str = ""  # in documents

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
        return replace(self, name=f"{self.name}, spinning", command=command)


FLOORS = ("raw-uring", "raw-multishot")  # what ratios are to: in each row the better of these
EPOLL_FLOORS = ("raw-epoll", "raw-epoll-shared")  # each connection its buffer, or one for all

# The floors sleep at once, and so do libuv and Asio: like for like, weir-echo does too. It receives
# into buffers that its loop lends it, or into the session's own.
SERVERS = (
    Contender("weir-uring", "weir-echo --backend uring --spin 0", "weir", FLOORS,
              title="weir, io_uring"),
    Contender("weir-uring-own", "weir-echo --backend uring --receive own --spin 0", "weir", FLOORS,
              title="weir, io_uring, `--receive own`"),
    Contender("weir-native", "echo-native", "weir", FLOORS, title="weir, native"),
    Contender("weir-native-own", "echo-native --receive own", "weir", FLOORS,
              title="weir, native, `--receive own`"),
    Contender("weir-epoll", "weir-echo --backend epoll --spin 0", "weir", EPOLL_FLOORS,
              title="weir, epoll"),
    Contender("raw-uring", "echo-raw-uring", "floor", (), PEER_CONNECTION_BYTES,
              "by hand: io_uring, one-shot"),
    Contender("raw-multishot", "echo-raw-multishot", "floor", (), 12,
              "by hand: io_uring, multishot"),
    Contender("raw-epoll", "echo-raw-epoll", "floor", (), PEER_CONNECTION_BYTES, "by hand: epoll"),
    Contender("raw-epoll-shared", "echo-raw-epoll-shared", "floor",
              title="by hand: epoll, one buffer"),
    Contender("asio-callbacks-epoll", "echo-asio-callbacks-epoll", "peer",
              title="Asio callbacks, epoll"),
    Contender("asio-callbacks-uring", "echo-asio-callbacks-uring", "peer",
              title="Asio callbacks, io_uring"),
    Contender("asio-coroutines-epoll", "echo-asio-coroutines-epoll", "peer",
              title="Asio coroutines, epoll"),
    Contender("asio-coroutines-uring", "echo-asio-coroutines-uring", "peer",
              title="Asio coroutines, io_uring"),
    Contender("libuv", "echo-uv", "peer", title="libuv"),
)
BY_NAME = {server.name: server for server in SERVERS}

# Of a bulk transfer, whose command lines end with the direction and the size of a call.
BULK_FLOORS = ("blocking", "raw-uring")
BULKS = (
    Contender("weir-uring", "bulk-weir uring own", "weir", BULK_FLOORS, title="weir, io_uring"),
    Contender("weir-uring-copied", "bulk-weir uring copied", "weir", BULK_FLOORS,
              title="weir, io_uring, zero-copy off"),
    Contender("weir-uring-lent", "bulk-weir uring lent", "weir", BULK_FLOORS,
              title="weir, io_uring, the loop's memory"),
    Contender("weir-epoll", "bulk-weir epoll own", "weir", BULK_FLOORS, title="weir, epoll"),
    Contender("weir-epoll-lent", "bulk-weir epoll lent", "weir", BULK_FLOORS,
              title="weir, epoll, the loop's memory"),
    Contender("blocking", "bulk-blocking", "floor", title="by hand: blocking calls"),
    Contender("raw-uring", "bulk-uring", "floor", title="by hand: io_uring, one-shot"),
    Contender("asio-coroutines-epoll", "bulk-asio-epoll", "peer", title="Asio coroutines, epoll"),
    Contender("libuv", "bulk-uv", "peer", title="libuv"),
)

# Of the rows of a benchmark suite, a process each: these take `--row NAME`.
SUITES = (
    Contender("weir-uring", "suite-weir --backend uring", "weir", title="weir, io_uring"),
    Contender("weir-epoll", "suite-weir --backend epoll", "weir", title="weir, epoll"),
    Contender("asio-uring", "suite-asio-uring", "peer", title="Asio, io_uring"),
    Contender("asio-epoll", "suite-asio-epoll", "peer", title="Asio, epoll"),
)

# What is measured in rounds of its own, many more than the table can have: a server of ours beside
# its floors.
CLOSELY = ("weir-uring", *FLOORS)

# The floor that receives as this server does: what the server adds to it is its own.
TWINS = {"weir-uring": "raw-multishot", "weir-uring-own": "raw-uring",
         "weir-native": "raw-multishot", "weir-native-own": "raw-uring",
         "weir-epoll": "raw-epoll-shared"}
# The native layer, and the portable one that does the same.
NATIVES = {"weir-native": "weir-uring", "weir-native-own": "weir-uring-own"}

TITLES = {server.name: server.title for server in SERVERS}
BULK_TITLES = {server.name: server.title for server in BULKS}
