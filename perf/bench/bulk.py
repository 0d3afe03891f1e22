# SPDX-License-Identifier: MIT
"""A bulk transfer: one stream in one direction, as fast as client and server together can move it.

The client is this process, pinned for the while: a plain loop of recv into, or send from, 256 KiB.
So the server's run time is read exactly where the window begins and ends. The servers: perf/bulk.
"""

import os
import socket
import struct
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from process import BenchError, Server, cpu_clock
from ratios import floor_of, floors_of, mean_of, names_of, ratio_of
from sample import CLIENTS, Rounds, built, client_cpu_of, heading, samples_take
from servers import BULK_FLOORS, BULKS
from stats import UNDECIDED, coverage_text, median_of, ratio_text

CLIENT_BYTES = 256 * 1024
SIZES = (16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024)
DIRECTIONS = ("send", "receive")
STALL_SECONDS = 10  # without a byte
MIB = 1024 * 1024
CELL = 24
NAME = 23


@dataclass(frozen=True)
class Transfer:
    """One row: what the server does, and the core the client runs on, seen from the server."""

    client: str
    direction: str
    size: int  # of each of the server's calls

    def text(self):
        return f"client on {CLIENTS[self.client]}, {self.direction} {self.size:,} bytes"


# ---- Measuring


@contextmanager
def pinned(cpu):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def connect(address):
    """A connection on which calls block, but not for ever."""
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host.strip("[]"), int(port)))
    limit = struct.pack("ll", STALL_SECONDS, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    return connection


def move(call, buffer, seconds):
    """Bytes that were moved, and the nanoseconds that took."""
    count, begin = 0, time.monotonic_ns()
    now, end = begin, begin + int(seconds * 1e9)
    while now < end:
        moved = call(buffer)
        if moved == 0:
            raise BenchError("the server closed the connection")
        count += moved
        now = time.monotonic_ns()
    return count, now - begin


def transfer_take(bench, contender, case):
    command = [*bench.command(contender), case.direction, case.size]
    with Server(command, bench.server_cpu) as server, connect(server.address) as connection:
        call = connection.recv_into if case.direction == "send" else connection.send
        buffer = bytearray(CLIENT_BYTES)
        try:
            with pinned(client_cpu_of(bench, case)):
                move(call, buffer, bench.warmup)
                before = cpu_clock(server.pid)
                count, wall_ns = move(call, buffer, bench.seconds)
                cpu_ns = cpu_clock(server.pid) - before
        except OSError as error:
            raise BenchError(f"the transfer ended: {error}") from None
    mib = count / MIB
    return {"rate": mib / wall_ns * 1e9, "wall_ns": wall_ns / mib, "cpu_ns": cpu_ns / mib}


def bulk_measure(bench):
    servers, rounds = built(bench.programs, BULKS), Rounds(bench)
    cases = [Transfer(client, direction, size) for client in bench.clients
             for direction in DIRECTIONS for size in SIZES]
    failures = []
    for count, samples in samples_take(bench, servers, cases, rounds, failures, transfer_take):
        bulk = {
            "rounds": count,
            "seconds": bench.seconds,
            "busy": rounds.busy,
            "servers": [asdict(contender) for contender in servers],
            "rows": [{**asdict(case), "samples": samples[case]} for case in cases],
            "failures": failures,
        }
        bench.keep("bulk", bulk)
    return bulk


# ---- Printing


def cell_text(row, field, server, floors):
    median = median_of(row["samples"], field, server)
    if median is None:
        return f"{'failed':>7}".ljust(CELL)
    value = f"{median if field == 'rate' else median / 1000:7,.0f}"
    if server == floor_of(row, field, floors):
        return f"{value}  1".ljust(CELL)
    ratio = ratio_of(row, field, server, floors)
    if ratio is None:
        return value.ljust(CELL)
    mark = "?" if ratio.is_undecided() else ""
    return f"{value} {ratio.median:5.2f} {ratio.interval_text()}{mark}".ljust(CELL)


def rows_show(bulk, rows):
    floors = floors_of(bulk, BULK_FLOORS)
    for field, title in (("rate", "MiB a second"), ("cpu_ns", "server CPU a MiB, us")):
        sizes = "".join(f"{row['size']:>7,}".ljust(CELL) for row in rows)
        print(f"    {title:<{NAME}}{sizes}".rstrip())
        for server in names_of(bulk):
            cells = "".join(cell_text(row, field, server, floors) for row in rows)
            print(f"    {server:<{NAME}}{cells}".rstrip())
        print()


def bulk_means_show(bulk):
    floors = floors_of(bulk, BULK_FLOORS)
    print(f"  {'all rows together':<{NAME + 2}}{'CPU a MiB':<{CELL}}time a MiB")
    for server in names_of(bulk):
        means = (mean_of(bulk["rows"], field, server, floors) for field in ("cpu_ns", "wall_ns"))
        print(f"    {server:<{NAME}}{''.join(ratio_text(it).ljust(CELL) for it in means)}".rstrip())


def bulk_show(bulk):
    heading(
        "A bulk transfer: one stream, one direction, bytes of a call across",
        f"medians of {bulk['rounds']} interleaved rounds of {bulk['seconds']:g} s; then the ratio"
        f" to the better of {', '.join(floors_of(bulk, BULK_FLOORS))}, round by round,",
        f"and the interval that covers its median with {coverage_text(bulk['rounds'])};"
        f" ?: {UNDECIDED}",
    )
    kinds = dict.fromkeys((row["client"], row["direction"]) for row in bulk["rows"])
    for client, direction in kinds:
        print(f"  the server {direction}s, client on {CLIENTS[client]}")
        rows_show(bulk, [row for row in bulk["rows"]
                         if (row["client"], row["direction"]) == (client, direction)])
    bulk_means_show(bulk)
    for failure in bulk["failures"]:
        print(f"  FAILED: {failure}")


def bulk_block(bench):
    bulk = bulk_measure(bench)
    bulk_show(bulk)
    return bulk
