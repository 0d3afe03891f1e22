# SPDX-License-Identifier: MIT
"""weir-echo beside the same server written by hand, on io_uring and on epoll.

What is measured, and how, is said above each table as it is printed. Every process has one thread
and is pinned; all traffic is loopback; ratios are weir to hand-written. Many short rounds rather
than few long ones: what differs is mostly how client and server fall into step, once a run. Run
through ci/bench, which builds the release first.
"""

import argparse
import itertools
import json
import os
import platform
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench_process import BenchError, Load, Server, client_run, cpu_clock
from bench_stats import PARITY, Ratio, interval_coverage, interval_rank

ROOT = Path(__file__).resolve().parent.parent
IDLE_CONNECTIONS = 2000
BUFFER_BYTES = 16 * 1024
PEER_CONNECTION_BYTES = 64 + BUFFER_BYTES  # sizeof(peer_connection)
BUSY_SHARE_MAX = 0.05
BLOCKS = ("ratios", "spin", "syscalls", "instructions", "idle")


@dataclass(frozen=True)
class Pick:
    """What the tables of ratios cover, and the backends of all tables."""

    backends: tuple = ("uring", "epoll")
    clients: tuple = ("other", "same")
    connections: tuple = (1, 64, 512)
    sizes: tuple = (64, 4096)


@dataclass(frozen=True)
class Bench:
    """The parameters of one invocation."""

    programs: Path
    pick: Pick
    rounds: int
    seconds: float
    warmup: float
    server_cpu: int
    client_cpu: int
    random: random.Random

    def weir(self, backend, spin="0"):
        """The command of weir-echo; the hand-written servers do not spin, so neither does it."""
        spin_option = [] if spin is None else ["--spin", spin]
        return [self.programs / "weir-echo", "--backend", backend, *spin_option]

    def peer(self, backend):
        return [self.programs / f"echo-raw-{backend}"]

    def two_cores(self):
        return self.client_cpu != self.server_cpu

    def client(self):
        return self.programs / "weir-lat"

    def servers(self):
        """Name and command of all there is to count, as shipped and like for like."""
        for backend in self.pick.backends:
            yield f"weir-echo, {backend}", self.weir(backend, spin=None)
            yield f"weir-echo, {backend}, --spin 0", self.weir(backend)
            yield f"hand-written, {backend}", self.peer(backend)


@dataclass(frozen=True)
class Case:
    """One row: a load, and the core the client runs on."""

    backend: str
    client: str
    connections: int
    size: int
    spin: str | None = "0"


@dataclass(frozen=True)
class Sample:
    messages_per_second: float
    cpu_ns_per_message: float
    latency_us: dict


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


# ---- Messages per second and CPU per message


def sample_take(bench, command, case):
    """One server, one client, one measured window.

    The server's run time is read over a window as long as the client's and inside the time in which
    the client keeps it busy, so neither start-up nor connecting is counted.
    """
    load = Load(case.connections, case.size, bench.seconds, bench.warmup)
    client_cpu = bench.server_cpu if case.client == "same" else bench.client_cpu
    window = {}

    def watch():
        time.sleep(bench.warmup)
        window["wall"], window["cpu"] = time.monotonic_ns(), cpu_clock(server.pid)
        time.sleep(bench.seconds)
        window["wall"] = time.monotonic_ns() - window["wall"]
        window["cpu"] = cpu_clock(server.pid) - window["cpu"]

    with Server(command, bench.server_cpu) as server:
        report = client_run(bench.client(), server, load, client_cpu, watch)
    rate = report["messages_per_second"]
    messages = rate * window["wall"] / 1e9
    return Sample(rate, window["cpu"] / messages, report["latency_us"])


def rounds_run(bench, cases):
    """Every case once a round, so that a disturbance hits one round of many cases, not many rounds
    of one case; the order of cases and of the two servers is drawn anew each time."""
    samples = {case: {"weir": [], "peer": []} for case in cases}
    for number in range(bench.rounds):
        for index, case in enumerate(bench.random.sample(cases, len(cases))):
            progress(f"round {number + 1} of {bench.rounds}, case {index + 1} of {len(cases)}")
            contenders = [
                ("weir", bench.weir(case.backend, case.spin)),
                ("peer", bench.peer(case.backend)),
            ]
            for name, command in bench.random.sample(contenders, 2):
                samples[case][name].append(sample_take(bench, command, case))
    progress("")
    return samples


def field_ratio(pair, field):
    rounds = zip(pair["weir"], pair["peer"])
    return Ratio.of([getattr(weir, field) / getattr(peer, field) for weir, peer in rounds])


def field_median(samples, field):
    return statistics.median(getattr(sample, field) for sample in samples)


def pair_text(pair, field, scale):
    medians = (field_median(pair[name], field) / scale for name in ("weir", "peer"))
    return " ".join(f"{median:6,.{1 if scale > 1 else 0}f}" for median in medians)


def ratio_text(ratio, verdict):
    interval = f"{ratio.low:.3f}..{ratio.high:.3f}"
    return f"{ratio.median:5.3f}  {interval:<12}  {100 * ratio.spread:4.1f}%  {verdict:<9}"


def case_row(case, pair):
    rate, cpu = field_ratio(pair, "messages_per_second"), field_ratio(pair, "cpu_ns_per_message")
    rate_verdict, cpu_verdict = rate.inverse().verdict(), cpu.verdict()
    print(
        f"  {case.client:<6} {case.connections:>5} {case.size:>5}",
        f" {pair_text(pair, 'messages_per_second', 1000)}  {ratio_text(rate, rate_verdict)}",
        f" {pair_text(pair, 'cpu_ns_per_message', 1)}  {ratio_text(cpu, cpu_verdict)}".rstrip(),
    )
    return {
        "case": asdict(case),
        "messages_per_second": {"ratio": asdict(rate), "verdict": rate_verdict},
        "cpu_ns_per_message": {"ratio": asdict(cpu), "verdict": cpu_verdict},
        "samples": samples_plain(pair),
    }


def samples_plain(pair):
    return {name: [asdict(sample) for sample in samples] for name, samples in pair.items()}


def ratios_header(backend):
    columns = f"{'weir':>6} {'hand':>6}  {'ratio':<5}  {'interval':<12}  spread {'verdict':<9}"
    title = f"{'thousand messages a second':<{len(columns)}}"
    print(f"  {backend:<18}  {title}  server CPU a message, ns")
    print(f"  {'client':<6} {'conns':>5} {'bytes':>5}  {columns}  {columns}".rstrip())


def verdicts_count(rows):
    total = len(rows)
    for field in ("messages_per_second", "cpu_ns_per_message"):
        verdicts = [row[field]["verdict"] for row in rows]
        counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts)))
        print(f"  {field.replace('_', ' ')}: {', '.join(counts)} of {total}")


def ratios_block(bench):
    rank = interval_rank(bench.rounds)
    coverage = 100 * interval_coverage(bench.rounds, rank)
    heading(
        "Beside the hand-written servers, neither spinning",
        f"medians of {bench.rounds} interleaved rounds of {bench.seconds:g} s; interval: covers the"
        f" median ratio with {coverage:.1f} % (order statistics)",
        "spread: half the distance between the quartiles of the ratio; client: on which core",
        f"parity: less than {100 * (PARITY - 1):.0f} % worse over the whole interval; slower: over"
        " none of it; undecided: it straddles",
    )
    clients = bench.pick.clients if bench.two_cores() else ("same",)
    choices = (bench.pick.backends, clients, bench.pick.connections, bench.pick.sizes)
    cases = [Case(*choice) for choice in itertools.product(*choices)]
    samples = rounds_run(bench, cases)
    rows = []
    for backend in bench.pick.backends:
        ratios_header(backend)
        rows += [case_row(case, samples[case]) for case in cases if case.backend == backend]
        print()
    verdicts_count(rows)
    return rows


def spin_block(bench):
    heading(
        "One connection, client on the other core, weir-echo spinning before it sleeps (default)",
        "a server that spins answers sooner and pays in CPU; the hand-written ones sleep at once",
    )
    if not bench.two_cores():
        print("  skipped: needs two cores")
        return []
    choices = itertools.product(bench.pick.backends, bench.pick.sizes)
    cases = [Case(backend, "other", 1, size, spin=None) for backend, size in choices]
    samples = rounds_run(bench, cases)
    print(f"  {'':5}  {'':5}  {'messages a second':>27}  {'server CPU a message, ns':>24}  p50, us")
    print(f"  {'':5}  {'bytes':>5}  {'weir':>9} {'by hand':>9} {'ratio':>7}"
          f"  {'weir':>8} {'by hand':>8} {'ratio':>6}  weir / by hand")
    for case in cases:
        print(spin_row(case, samples[case]))
    return [
        {"case": asdict(case), "samples": samples_plain(pair)} for case, pair in samples.items()
    ]


def spin_row(case, pair):
    columns = []
    for field, width in (("messages_per_second", 9), ("cpu_ns_per_message", 8)):
        medians = [f"{field_median(pair[name], field):{width},.0f}" for name in ("weir", "peer")]
        ratio = field_ratio(pair, field).median
        columns.append(f"{medians[0]} {medians[1]} {ratio:{width - 2}.2f}")
    p50 = [statistics.median(s.latency_us["p50"] for s in pair[name]) for name in ("weir", "peer")]
    return (f"  {case.backend:<5}  {case.size:>5}  {columns[0]}  {columns[1]}"
            f"  {p50[0]:.1f} / {p50[1]:.1f}")


# ---- Counts per message


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


def syscalls_count(bench, command, connections, seconds):
    load = Load(connections, 64, seconds, 0)
    with tempfile.NamedTemporaryFile(mode="r") as summary:
        # setpriv: the tracee is strace's child, and must not outlive it.
        tracer = ["strace", "-c", "-f", "-U", "name,calls", "-o", summary.name]
        tracer += ["setpriv", "--pdeathsig", "KILL"]
        with Server(command, bench.server_cpu, tracer, traced=True) as server:
            report = client_run(bench.client(), server, load, bench.client_cpu)
        calls = re.findall(r"^(\w+)\s+(\d+)$", summary.read(), re.MULTILINE)
    events = {name: int(number) for name, number in calls if name != "total"}
    return Count(events, report["messages"])


def syscalls_block(bench):
    heading(
        "System calls a message, 64 bytes (strace -c -f)",
        "the tracer slows the server down, so more of the 64 connections are ready at a time",
    )
    if not tools_found("strace", "setpriv"):
        return []
    short_seconds = max(0.3, bench.seconds / 2)
    print(f"  {'':<27}  {'1 conn':>7}  {'64 conns':>8}  of which, 64 conns")
    rows = []
    for name, command in bench.servers():
        progress(name)
        one = per_message(lambda s: syscalls_count(bench, command, 1, s), short_seconds)
        many = per_message(lambda s: syscalls_count(bench, command, 64, s), short_seconds)
        progress("")
        leading = sorted(many.items(), key=lambda item: -item[1])[:3]
        detail = ", ".join(f"{call} {number:.3f}" for call, number in leading if number >= 0.0005)
        print(f"  {name:<27}  {sum(one.values()):7.2f}  {sum(many.values()):8.3f}  {detail}")
        rows.append({"server": name, "connections_1": one, "connections_64": many})
    return rows


def instructions_count(bench, command, seconds):
    load = Load(64, 64, seconds, 0)
    with tempfile.NamedTemporaryFile(mode="r") as profile:
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile.name}"]
        with Server(command, bench.server_cpu, tool) as server:
            report = client_run(bench.client(), server, load, bench.client_cpu)
        totals = re.search(r"^totals: (\d+)", Path(profile.name).read_text(), re.MULTILINE)
    if not totals:
        raise BenchError("callgrind wrote no totals")
    return Count({"instructions": int(totals[1])}, report["messages"])


def instructions_block(bench):
    heading(
        "User instructions a message, 64 connections of 64 bytes (callgrind)",
        "libraries included: liburing, and the C library's wrappers of system calls",
    )
    if not tools_found("valgrind"):
        return []
    rows = []
    for name, command in bench.servers():
        progress(name)
        count = per_message(lambda s: instructions_count(bench, command, s), bench.seconds)
        progress("")
        print(f"  {name:<27}  {count['instructions']:5.0f}")
        rows.append({"server": name, **count})
    return rows


def tools_found(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        print(f"  skipped: {' and '.join(missing)} not installed")
    return not missing


# ---- Memory


def echo_once(connection, size):
    connection.sendall(b"x" * size)
    left = size
    while left > 0:
        received = len(connection.recv(left))
        if received == 0:
            raise BenchError("the server closed an idle connection")
        left -= received


def idle_bytes(bench, command, size):
    """Resident bytes a connection adds once it has echoed a message and gone idle."""
    with Server(command, bench.server_cpu) as server:
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


def descriptors_raise(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return True


def idle_block(bench, frame_bytes):
    heading(
        f"An idle connection, resident bytes each ({IDLE_CONNECTIONS:,} after one echo)",
        "64 B touches the first page of a read buffer, 16 KiB all of it: then what remains beyond",
        "frame and buffer is overhead",
    )
    if not descriptors_raise(IDLE_CONNECTIONS + 100):
        print("  skipped: not enough descriptors (ulimit -n)")
        return []
    print(f"  {'':<21}  {'64 B':>7}  {'16 KiB':>7}  {'frame and buffer':>16}  {'beyond':>6}")
    rows = []
    for backend in bench.pick.backends:
        contenders = (
            (f"weir-echo, {backend}", bench.weir(backend), frame_bytes),
            (f"hand-written, {backend}", bench.peer(backend), PEER_CONNECTION_BYTES),
        )
        for name, command, known in contenders:
            progress(name)
            small, _ = idle_bytes(bench, command, 64)
            full, said = idle_bytes(bench, command, BUFFER_BYTES)
            progress("")
            frame = known or said
            beyond = f"{frame:>16,}  {full - frame:>6,.0f}" if frame else f"{'unknown':>16}"
            print(f"  {name:<21}  {small:>7,.0f}  {full:>7,.0f}  {beyond}")
            rows.append({"server": name, "bytes_64": small, "bytes_16384": full, "frame": frame})
    return rows


# ---- The whole


def machine_facts():
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in cpuinfo,
        "busy_before": busy_share(0.5),
    }


def busy_share(seconds):
    """How much of the machine others use, measured before we start: 0 to 1."""

    def times():
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        user, nice, system, idle, iowait, *rest = map(int, fields)
        return idle + iowait, user + nice + system + sum(rest)

    idle, busy = times()
    time.sleep(seconds)
    idle, busy = times()[0] - idle, times()[1] - busy
    return busy / max(1, idle + busy)


def facts_print(facts, bench):
    virtual = ", virtual machine" if facts["virtual"] else ""
    print(f"{facts['kernel']}, {facts['cpu']}, {facts['cores']} cores{virtual}, {facts['time']}")
    print(f"servers on core {bench.server_cpu}, the other core is {bench.client_cpu}, loopback")
    if facts["busy_before"] > BUSY_SHARE_MAX:
        print(f"{100 * facts['busy_before']:.0f} % busy with something else: expect wide intervals")


def arguments_parse():
    parser = argparse.ArgumentParser(prog="ci/bench", description=__doc__)
    option, everything = parser.add_argument, Pick()
    option("--rounds", type=int, default=15, help="rounds of every comparison (15)")
    option("--seconds", type=float, default=0.5, help="measured window of a round (0.5)")
    option("--quick", action="store_true", help="3 rounds of 0.2 s: a trial, not a result")
    option("--only", choices=BLOCKS, nargs="+", default=BLOCKS, help="just these tables")
    option("--backends", choices=everything.backends, nargs="+", default=everything.backends)
    option("--clients", choices=everything.clients, nargs="+", default=everything.clients,
           help="core of the client, seen from the server")
    option("--connections", type=int, nargs="+", default=everything.connections)
    option("--sizes", type=int, nargs="+", default=everything.sizes, help="bytes a message")
    option("--frame-bytes", type=int, help="frame and read buffer of a weir-echo connection")
    option("--bin", type=Path, default=ROOT / "build" / "bin", help="where the programs are")
    option("--results", type=Path, default=ROOT / "bench-results", help="where the JSON goes")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 3, 0.2
    if arguments.rounds < 2 or arguments.seconds <= 0:
        parser.error("at least 2 rounds of more than 0 seconds")
    return arguments


def bench_make(arguments):
    cores = sorted(os.sched_getaffinity(0))
    return Bench(
        programs=arguments.bin,
        pick=Pick(arguments.backends, arguments.clients, arguments.connections, arguments.sizes),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warmup=min(0.3, arguments.seconds),
        server_cpu=cores[-1],
        client_cpu=cores[0],
        random=random.Random(),
    )


def programs_check(folder):
    for name in ("weir-echo", "weir-lat", "echo-raw-uring", "echo-raw-epoll"):
        if not os.access(folder / name, os.X_OK):
            raise BenchError(f"{folder / name} is missing: build it first")


def results_write(folder, results):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / time.strftime("bench-%Y%m%d-%H%M%S.json")
    file.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {os.path.relpath(file)}")


def main():
    arguments = arguments_parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    programs_check(arguments.bin)
    bench, facts = bench_make(arguments), machine_facts()
    facts_print(facts, bench)
    blocks = {
        "ratios": ratios_block,
        "spin": spin_block,
        "syscalls": syscalls_block,
        "instructions": instructions_block,
        "idle": lambda bench: idle_block(bench, arguments.frame_bytes),
    }
    results = {"machine": facts, "rounds": bench.rounds, "seconds": bench.seconds}
    for name in arguments.only:
        results[name] = blocks[name](bench)
    results_write(arguments.results, results)


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        progress("")
        sys.exit(f"ci/bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
