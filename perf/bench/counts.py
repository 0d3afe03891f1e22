# SPDX-License-Identifier: MIT
"""What is counted rather than timed: system calls, user instructions, memory."""

import re
import resource
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from process import BenchError, Load, Server, client_run, cpu_clock, measuring, user_ticks_ns
from sample import heading, progress, tools_found

IDLE_CONNECTIONS = 2000
BUFFER_BYTES = 16 * 1024
SHARE_SECONDS = 8  # a thousand ticks
DESCRIPTORS = 20000  # enough for every table; children inherit the limit


@dataclass(frozen=True)
class Count:
    """What a tool counted in a server's whole life, and the messages it served."""

    events: dict
    messages: int


def per_message(count, seconds):
    """Events per message from a short and a long run.

    The difference takes start-up, connecting and closing out of the account.
    """
    short, long = count(seconds), count(3 * seconds)
    messages = long.messages - short.messages
    if messages <= 0:
        raise BenchError("the long run served no more messages than the short one")
    return {
        name: (long.events.get(name, 0) - short.events.get(name, 0)) / messages
        for name in sorted(long.events.keys() | short.events.keys())
    }


def variants(bench):
    """The servers that were asked for, those that spin also as shipped."""
    for contender in bench.servers:
        yield contender
        if contender.as_shipped():
            yield contender.as_shipped()


def rows_of(contenders, measure):
    """A line and a row of each, by `measure`; what could not be measured says so."""
    rows = []
    for it in contenders:
        progress(it.name)
        try:
            with measuring():
                line, row = measure(it)
        except BenchError as error:
            line, row = f"FAILED: {error}", {"failed": str(error)}
        progress("")
        print(f"  {it.name:<27}  {line}".rstrip(), flush=True)
        rows.append({"server": it.name, **row})
    return rows


# ---- System calls, by name


def syscalls_count(bench, contender, connections, seconds):
    load = Load(connections, 64, seconds, 0)
    with tempfile.NamedTemporaryFile(mode="r") as summary:
        # setpriv: the tracee is strace's child, and must not outlive it.
        tracer = ["strace", "-c", "-f", "-U", "name,calls", "-o", summary.name]
        tracer += ["setpriv", "--pdeathsig", "KILL"]
        command = bench.command(contender)
        with Server(command, bench.server_cpu, tracer, traced=True) as server:
            report = client_run(bench.client(), server, load, bench.client_cpu)
        calls = re.findall(r"^(\w+)\s+(\d+)$", summary.read(), re.MULTILINE)
    events = {name: int(number) for name, number in calls if name != "total"}
    return Count(events, report["messages"])


def syscalls_block(bench):
    heading(
        "System calls a message, 64 bytes, by name (strace -c -f)",
        "the tracer slows the server down, so more of the 64 connections are ready at a time",
    )
    if not tools_found("strace", "setpriv"):
        return []
    short_seconds = max(0.3, bench.seconds / 2)

    def measure(it):
        one = per_message(lambda s: syscalls_count(bench, it, 1, s), short_seconds)
        many = per_message(lambda s: syscalls_count(bench, it, 64, s), short_seconds)
        leading = sorted(many.items(), key=lambda item: -item[1])[:3]
        detail = ", ".join(f"{call} {number:.3f}" for call, number in leading if number >= 0.0005)
        line = f"{sum(one.values()):7.2f}  {sum(many.values()):8.3f}  {detail}"
        return line, {"connections_1": one, "connections_64": many}

    print(f"  {'':<27}  {'1 conn':>7}  {'64 conns':>8}  of which, 64 conns")
    return rows_of(variants(bench), measure)


# ---- User instructions


def instructions_count(bench, contender, seconds):
    load = Load(64, 64, seconds, 0)
    with tempfile.NamedTemporaryFile(mode="r") as profile:
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile.name}"]
        with Server(bench.command(contender), bench.server_cpu, tool) as server:
            report = client_run(bench.client(), server, load, bench.client_cpu)
        totals = re.search(r"^totals: (\d+)", Path(profile.name).read_text(), re.MULTILINE)
    if not totals:
        raise BenchError("callgrind wrote no totals")
    return Count({"instructions": int(totals[1])}, report["messages"])


def user_share(bench, contender):
    """How much of the server's run time its own code has, the kernel the rest; without a tool."""
    load, share = Load(64, 64, SHARE_SECONDS, 0), []

    def watch():
        time.sleep(SHARE_SECONDS)
        share.append(user_ticks_ns(server.pid) / cpu_clock(server.pid))

    with Server(bench.command(contender), bench.server_cpu) as server:
        client_run(bench.client(), server, load, bench.server_cpu, watch)
    return share[0]


def instructions_block(bench):
    heading(
        "User instructions a message, 64 connections of 64 bytes (callgrind)",
        "libraries included: liburing, and the C library's wrappers of system calls; then the share"
        " of the run time",
        f"that is not the kernel's, by its ticks in {SHARE_SECONDS} s with the client on the same"
        " core",
    )
    if not tools_found("valgrind"):
        return []

    def measure(it):
        count = per_message(lambda s: instructions_count(bench, it, s), bench.seconds)
        share = user_share(bench, it)
        return f"{count['instructions']:5,.0f}  {100 * share:5.1f} %", {**count, "user": share}

    return rows_of(variants(bench), measure)


# ---- Memory


def echo_once(connection, size):
    connection.sendall(b"x" * size)
    left = size
    while left > 0:
        received = len(connection.recv(left))
        if received == 0:
            raise BenchError("the server closed an idle connection")
        left -= received


def idle_bytes(bench, contender, size):
    """Resident bytes a connection adds once it has echoed a message and gone idle."""
    with Server(bench.command(contender), bench.server_cpu) as server:
        host, port = server.address.rsplit(":", 1)
        connections = []
        try:
            for number in range(IDLE_CONNECTIONS + 1):
                connections.append(socket.create_connection((host, int(port)), timeout=10))
                echo_once(connections[-1], size)
                if number == 0:
                    before = server.resident_bytes()
            after = server.resident_bytes()
        finally:
            for connection in connections:
                connection.close()
    frame = re.search(r"frame (\d+) bytes", server.output)
    return (after - before) / IDLE_CONNECTIONS, int(frame[1]) if frame else None


def descriptors_raise():
    """As many descriptors as we may have, for us and for the servers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return count


def idle_block(bench):
    heading(
        f"An idle connection, resident bytes each ({IDLE_CONNECTIONS:,} after one echo)",
        "64 B touches the first page of a read buffer, 16 KiB all of it: then what remains beyond",
        "frame and buffer, where a server tells their size, is overhead",
    )
    if descriptors_raise() < IDLE_CONNECTIONS + 100:
        print("  skipped: not enough descriptors (ulimit -n)")
        return []

    def measure(it):
        small, _ = idle_bytes(bench, it, 64)
        full, said = idle_bytes(bench, it, BUFFER_BYTES)
        frame = it.connection_bytes or said
        beyond = f"{frame:>16,}  {full - frame:>6,.0f}" if frame else ""
        row = {"bytes_64": small, "bytes_16384": full, "frame": frame}
        return f"{small:>7,.0f}  {full:>7,.0f}  {beyond}", row

    print(f"  {'':<27}  {'64 B':>7}  {'16 KiB':>7}  {'frame and buffer':>16}  {'beyond':>6}")
    return rows_of(bench.servers, measure)
