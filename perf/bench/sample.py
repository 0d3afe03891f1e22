# SPDX-License-Identifier: MIT
"""One sample: a server, a client, a measured window."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from process import BenchError, Load, Server, client_run, cpu_clock, measuring

COUNTING_SECONDS = 0.2
COUNTING_GRACE_SECONDS = 0.3  # in which perf starts and ends
CLIENTS = {"other": "the other core", "same": "the same core"}


@dataclass(frozen=True)
class Bench:
    """The parameters of one invocation."""

    programs: Path
    servers: tuple
    clients: tuple
    connections: tuple
    sizes: tuple
    rounds: int
    seconds: float
    warmup: float
    server_cpu: int
    client_cpu: int
    random: random.Random
    minutes: float = 0  # that a table may take beyond its rounds
    keep: Callable = lambda name, table: None  # what has been measured of a table so far
    look: Callable = lambda: 0.0  # before a round: the share of the machine that others use

    def client(self):
        return self.programs / "weir-lat"

    def cases(self):
        return [Case(client, connections, size) for client in self.clients
                for size in self.sizes for connections in self.connections]

    def command(self, contender):
        return contender.arguments(self.programs)


@dataclass(frozen=True)
class Case:
    """One row: a load, and the core the client runs on, seen from the server."""

    client: str
    connections: int
    size: int
    client_spins: bool = False
    rate: int = 0  # messages a second that are due; 0: a closed loop

    def text(self):
        rate = f", {self.rate:,} a second" if self.rate else ""
        return f"client on {CLIENTS[self.client]}, {self.connections:,} x {self.size:,} bytes{rate}"


@dataclass(frozen=True)
class Sample:
    rate: float  # messages a second
    cpu_ns: float  # of the server, a message
    p50_us: float
    p99_us: float


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def heading(title, *lines):
    progress("")
    print(f"\n{title}\n")
    for line in lines:
        print(f"  {line}")
    if lines:
        print()


def client_cpu_of(bench, case):
    return bench.server_cpu if case.client == "same" else bench.client_cpu


def sample_take(bench, contender, case):
    """One server, one client, one measured window.

    The server's run time is read over a window as long as the client's and inside the time in which
    the client keeps it busy, so neither start-up nor connecting is counted.
    """
    load = Load(case.connections, case.size, bench.seconds, bench.warmup, case.client_spins,
                case.rate)
    window = {}

    def watch():
        time.sleep(bench.warmup)
        before = time.monotonic_ns(), cpu_clock(server.pid)
        time.sleep(bench.seconds)
        after = time.monotonic_ns(), cpu_clock(server.pid)
        window["wall"], window["cpu"] = (b - a for a, b in zip(before, after))

    with Server(bench.command(contender), bench.server_cpu) as server:
        report = client_run(bench.client(), server, load, client_cpu_of(bench, case), watch)
    rate, latency = report["messages_per_second"], report["latency_us"]
    messages = rate * window["wall"] / 1e9
    if window["cpu"] == 0 or messages == 0:
        raise BenchError("the server did not run while it was measured")
    return asdict(Sample(rate, window["cpu"] / messages, latency["p50"], latency["p99"]))


class Rounds:
    """Numbers of rounds, from 1: as many as were asked for, and then as long as one more, were it
    like the longest, ends in the minutes from the making of this object on. busy: what others used
    of the machine before each."""

    def __init__(self, bench, clock=time.monotonic):
        self.least, self.clock, self.look = bench.rounds, clock, bench.look
        self.end = clock() + 60 * bench.minutes
        self.busy = []

    def __iter__(self):
        number, longest = 0, 0
        while number < self.least or self.clock() + longest < self.end:
            begin = self.clock()
            self.busy.append(self.look())
            number += 1
            yield number
            longest = max(longest, self.clock() - begin)


def samples_take(bench, contenders, cases, rounds, failures, take=sample_take):
    """Every case once a round, so that a disturbance hits one round of many cases, not many rounds
    of one case; the order of the cases and of the servers is drawn anew each time. After each round
    all samples so far, by case and server. One that could not be taken is None, and among the
    failures."""
    samples = {case: {contender.name: [] for contender in contenders} for case in cases}
    for number in rounds:
        for index, case in enumerate(bench.random.sample(cases, len(cases))):
            progress(f"round {number}, case {index + 1} of {len(cases)}")
            for contender in bench.random.sample(contenders, len(contenders)):
                sample = None
                try:
                    with measuring():
                        sample = take(bench, contender, case)
                except BenchError as error:
                    failures.append(f"{contender.name}, {case.text()}: {error}")
                samples[case][contender.name].append(sample)
        progress("")
        yield number, samples


def calls_can_be_counted():
    """By the kernel, which perf asks; it may not be there, or be forbidden to."""
    if shutil.which("perf") is None:
        return False
    trial = ["perf", "stat", "-e", "raw_syscalls:sys_enter", "-x", ",", "--", "true"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def calls_count(bench, contender, case):
    """System calls a message, in a run of its own: what counts them costs the server time."""
    load = Load(case.connections, case.size, COUNTING_SECONDS + COUNTING_GRACE_SECONDS, 0.1)

    def count():
        time.sleep(load.warmup)
        command = ["perf", "stat", "-e", "raw_syscalls:sys_enter", "-x", ",", "-o", counted.name]
        command += ["-p", str(server.pid), "--", "sleep", str(COUNTING_SECONDS)]
        subprocess.run(command, check=True, capture_output=True)

    with tempfile.NamedTemporaryFile(mode="r") as counted:
        with Server(bench.command(contender), bench.server_cpu) as server:
            report = client_run(bench.client(), server, load, client_cpu_of(bench, case), count)
        lines = [line.split(",") for line in counted.read().splitlines() if "sys_enter" in line]
    if len(lines) != 1 or not lines[0][0].isdigit():
        return None
    return int(lines[0][0]) / (report["messages_per_second"] * COUNTING_SECONDS)


def tools_found(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        print(f"  skipped: {' and '.join(missing)} not installed")
    return not missing


def programs_check(folder, names):
    for name in sorted(names):
        if not os.access(folder / name, os.X_OK):
            raise BenchError(f"{folder / name} is missing: build it first")


def built(folder, contenders):
    """Those that are there. A peer is not where its library is not; all others have to be."""
    programs_check(folder, {it.program() for it in contenders if it.kind != "peer"})
    return tuple(it for it in contenders if os.access(folder / it.program(), os.X_OK))
