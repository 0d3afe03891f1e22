# SPDX-License-Identifier: MIT
"""What spinning before a sleep gains, and what it costs: weir-echo and weir-lat with it, as they do
unless told, and without.

A ping-pong has two ends, and who sleeps at either of them makes the other wait: so the client spins
or does not, as the server does. What is measured is a plain value; what is printed comes from that
alone.
"""

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from process import BenchError, Load, Server, client_run, cpu_clock, measuring
from sample import Rounds, heading, progress
from stats import PARITY, Ratio, interval_coverage, interval_rank, median_of, paired

BACKENDS = ("uring", "epoll")
MESSAGE_BYTES = 64
GAIN_AIM = 3  # of a ping-pong with a core for each end
IDLE_SECONDS = 10
IDLE_CONNECTIONS = 50
IDLE_SHARE_MAX = 0.01
LOOPS_A_CORE = 2  # when there are more loops than cores
SPIN_WORDS = (f"With a core each, both ends together are to be {GAIN_AIM} times as fast; where"
              f" cores are scarce, less than {100 * (PARITY - 1):.0f} % is to be lost; idle for"
              f" {IDLE_SECONDS} s with {IDLE_CONNECTIONS} connections after a ping-pong, less than"
              f" {100 * IDLE_SHARE_MAX:.0f} % of a core used.")

# Who spins: the server, the client.
ENDS = {
    "both": (True, True),
    "the server": (True, False),
    "the client": (False, True),
    "neither": (False, False),
}


@dataclass(frozen=True)
class Place:
    """Where server and client run, and on how many loops the server does."""

    name: str
    loops: int
    server_cores: frozenset
    client_cores: frozenset


@dataclass(frozen=True)
class Row:
    """One load, of which every pair of ends is measured."""

    backend: str
    place: Place
    connections: int
    ends: tuple

    def text(self):
        plural = "" if self.connections == 1 else "s"
        return f"{self.backend}, {self.place.name}, {self.connections} connection{plural}"


def rows_of(bench):
    one, other = frozenset({bench.server_cpu}), frozenset({bench.client_cpu})
    loops = LOOPS_A_CORE * len(one | other)
    scarce = ("both", "neither")
    rows = []
    for backend in BACKENDS:
        if one != other:
            rows.append(Row(backend, Place("a core each", 1, one, other), 1, tuple(ENDS)))
        same = Place("one core for both", 1, one, one)
        crowd = Place(f"{loops} loops and a client on {len(one | other)} cores", loops, one | other,
                      one | other)
        rows += [Row(backend, same, connections, scarce) for connections in (1, 64)]
        rows += [Row(backend, crowd, connections, scarce) for connections in (1, 16, 64)]
    return rows


# ---- Measuring


def server_command(bench, backend, loops, spins):
    command = [bench.programs / "weir-echo", "--backend", backend, "--threads", str(loops)]
    return command if spins else [*command, "--spin", "0"]


def sample_take(bench, row, ends):
    server_spins, client_spins = ENDS[ends]
    load = Load(row.connections, MESSAGE_BYTES, bench.seconds, bench.warmup, client_spins)
    options = ["--backend", row.backend]
    command = server_command(bench, row.backend, row.place.loops, server_spins)
    with Server(command, row.place.server_cores) as server:
        report = client_run(bench.client(), server, load, row.place.client_cores, options=options)
    return {"rate": report["messages_per_second"], "p50_us": report["latency_us"]["p50"]}


def samples_take(bench, rows, rounds, failures):
    """Every row once a round, and in it every pair of ends, in an order that is drawn anew. After
    each round all samples so far."""
    samples = {row: {ends: [] for ends in row.ends} for row in rows}
    for number in rounds:
        for index, row in enumerate(bench.random.sample(rows, len(rows))):
            progress(f"round {number} of {bench.rounds}, row {index + 1} of {len(rows)}")
            for ends in bench.random.sample(row.ends, len(row.ends)):
                sample = None
                try:
                    with measuring():
                        sample = sample_take(bench, row, ends)
                except BenchError as error:
                    failures.append(f"{row.text()}, {ends}: {error}")
                samples[row][ends].append(sample)
        progress("")
        yield number, samples


def connection_open(server):
    """One that has echoed, and is idle then."""
    host, port = server.address.rsplit(":", 1)
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
    connection.sendall(b"x")
    if connection.recv(1) != b"x":
        raise BenchError("the server closed an idle connection")
    return connection


def idle_take(bench, failures):
    """By backend; nothing if it could not be taken."""
    try:
        with measuring():
            return idle_measure(bench)
    except BenchError as error:
        failures.append(f"idle: {error}")
        return {}


def idle_measure(bench):
    """Servers that have just found out that spinning pays, and are left alone with connections."""
    progress(f"idle for {IDLE_SECONDS} s")
    load = Load(1, MESSAGE_BYTES, bench.seconds, bench.warmup)
    with ExitStack() as stack:
        servers = {}
        for backend in BACKENDS:
            server = stack.enter_context(Server(server_command(bench, backend, 1, True)))
            client_run(bench.client(), server, load, None)
            for _ in range(IDLE_CONNECTIONS):
                stack.enter_context(connection_open(server))
            servers[backend] = server
        begin = {backend: cpu_clock(server.pid) for backend, server in servers.items()}
        time.sleep(IDLE_SECONDS)
        used = {backend: cpu_clock(server.pid) - begin[backend]
                for backend, server in servers.items()}
    progress("")
    return {backend: ns / 1e9 / IDLE_SECONDS for backend, ns in used.items()}


def spin_block(bench):
    rows, failures, rounds = rows_of(bench), [], Rounds(replace(bench, minutes=0))
    idle = idle_take(bench, failures)
    for count, samples in samples_take(bench, rows, rounds, failures):
        table = {
            "rounds": count,
            "seconds": bench.seconds,
            "busy": rounds.busy,
            "rows": [
                {"backend": row.backend, "place": row.place.name, "connections": row.connections,
                 "text": row.text(), "samples": samples[row]}
                for row in rows
            ],
            "idle": idle,
            "failures": failures,
        }
        bench.keep("spin", table)
    spin_show(table)
    return table


# ---- Printing


def gain_verdict(ratio, aim=GAIN_AIM):
    """Whether a gain is at least the aim: what holds has to hold down to the lower bound."""
    if not ratio.is_enough():
        return "too few"
    if ratio.low >= aim:
        return "holds"
    return "undecided" if ratio.high >= aim else "fails"


def loss_verdict(row):
    """Whether spinning loses less than is called a difference."""
    return Ratio.of(paired(row["samples"], "rate", "neither", "both")).verdict(PARITY)


def line_show(row, ends, verdict):
    rate = median_of(row["samples"], "rate", ends)
    if rate is None:
        print(f"    {ends:<12}  failed")
        return
    p50 = median_of(row["samples"], "p50_us", ends)
    ratio = Ratio.of(paired(row["samples"], "rate", ends, "neither"))
    beside = ""
    if ends != "neither" and ratio:
        beside = f"  {ratio.median:5.2f}  {ratio.low:.2f}-{ratio.high:.2f}  {verdict(ratio)}"
    print(f"    {ends:<12}  {rate:9,.0f}  {p50:7.1f}{beside}".rstrip())


def rows_show(rows, verdict):
    for row in rows:
        print(f"  {row['text']}")
        for ends in row["samples"]:
            line_show(row, ends, lambda ratio, row=row, ends=ends: verdict(row, ends, ratio))
    print()


def gain_show(rows):
    heading(
        f"One connection of {MESSAGE_BYTES} bytes, a core for each end",
        f"aim: at least {GAIN_AIM} times as fast when both spin as when neither does",
    )
    rows_show(rows, lambda row, ends, ratio: gain_verdict(ratio) if ends == "both" else "")


def loss_show(rows):
    heading(
        "The same where cores are scarce",
        f"aim: less than {100 * (PARITY - 1):.0f} % lost by spinning",
    )
    rows_show(rows, lambda row, ends, ratio: loss_verdict(row))


def idle_show(idle):
    heading(
        f"Idle for {IDLE_SECONDS} s with {IDLE_CONNECTIONS} connections, after a ping-pong",
        f"aim: less than {100 * IDLE_SHARE_MAX:.0f} % of a core",
    )
    for backend, share in idle.items():
        verdict = "holds" if share < IDLE_SHARE_MAX else "fails"
        print(f"    {backend:<12}  {100 * share:.3f} %  {verdict}")


def spin_show(table):
    rounds = table["rounds"]
    coverage = 100 * interval_coverage(rounds, interval_rank(rounds))
    heading(
        "Who spins before it sleeps",
        f"messages a second and p50 in us: medians of {rounds} interleaved rounds of"
        f" {table['seconds']:g} s;",
        "then the ratio to neither, round by round, and the interval that covers its median with"
        f" {coverage:.1f} %",
    )
    free = [row for row in table["rows"] if len(row["samples"]) == len(ENDS)]
    gain_show(free)
    loss_show([row for row in table["rows"] if row not in free])
    idle_show(table["idle"])
    for failure in table["failures"]:
        print(f"  FAILED: {failure}")
