# SPDX-License-Identifier: MIT
"""weir-echo beside the servers it is to be compared with: written by hand, on Asio, on libuv.

What is measured, and how, is said above each table as it is printed. Every process has one thread
and is pinned; all traffic is loopback. Many short rounds rather than few long ones: what differs is
mostly how client and server fall into step, once a run. Run through ci/bench, which builds the
release first. Servers are listed in ci/bench_servers.py.
"""

import argparse
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench_counts import descriptors_raise, idle_block, instructions_block, syscalls_block
from bench_process import BenchError
from bench_sample import Bench, heading, progress, programs_check
from bench_servers import BY_NAME, SERVERS
from bench_spin import spin_block, spin_show
from bench_suite import suite_block, suite_show
from bench_table import aims_show, matrix_show, means_show, table_measure, table_show

ROOT = Path(__file__).resolve().parent.parent
BUSY_SHARE_MAX = 0.05
SAMPLE_SECONDS = 0.2  # of a sample, beside its warm-up and window
SCALE_CONNECTIONS = 1_000_000
CALLS_SECONDS = 1.1  # of counting the system calls of a row's server


# ---- Blocks that are tables


def table_block(bench):
    cases = bench.cases()
    samples = len(cases) * len(bench.servers)
    seconds = bench.rounds * samples * (bench.seconds + bench.warmup + SAMPLE_SECONDS)
    print(f"\n{len(cases)} rows of {len(bench.servers)} servers, {bench.rounds} rounds: about"
          f" {(seconds + samples * CALLS_SECONDS) / 60:.0f} minutes", flush=True)
    table = table_measure(bench, bench.servers, cases)
    table_block_show(table)
    return table


def table_block_show(table):
    table_show(table)
    matrix_show(table)


def scale_block(bench):
    heading(
        f"Idle connections, {SCALE_CONNECTIONS:,} if the machine carries them (weir-scale)",
        "about 10 GB and a few minutes: only when asked for",
    )
    command = [bench.programs / "weir-scale", "--connections", str(SCALE_CONNECTIONS)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(run.stdout)
    return {"output": run.stdout.splitlines(), "failures": ["weir-scale"] * (run.returncode != 0)}


# ---- The end: all that was measured, together


def counted(rows, field):
    return {row["server"]: row[field] for row in rows or () if field in row}


def overview_show(results):
    table = results.get("table")
    if not table:
        return
    counts = {
        "idle bytes": counted(results.get("idle"), "bytes_64"),
        "with 16 KiB": counted(results.get("idle"), "bytes_16384"),
        "instructions": counted(results.get("instructions"), "instructions"),
    }
    print()
    means_show(table, counts)
    aims_show(table, counts)


BLOCKS = {
    "idle": idle_block,
    "table": table_block,
    "spin": spin_block,
    "syscalls": syscalls_block,
    "instructions": instructions_block,
    "suite": suite_block,
    "scale": scale_block,
}
SHOWS = {"table": table_block_show, "spin": spin_show, "suite": suite_show}
QUICK_BLOCKS = ("idle", "table")
WHOLE_BLOCKS = tuple(name for name in BLOCKS if name != "scale")


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


def facts_print(facts):
    virtual = ", virtual machine" if facts["virtual"] else ""
    print(f"{facts['kernel']}, {facts['cpu']}, {facts['cores']} cores{virtual}, {facts['time']}")
    if facts["busy_before"] > BUSY_SHARE_MAX:
        print(f"{100 * facts['busy_before']:.0f} % busy with something else: expect wide intervals")


def arguments_parse():
    parser = argparse.ArgumentParser(prog="ci/bench", description=__doc__)
    option, names = parser.add_argument, [server.name for server in SERVERS]
    option("--only", choices=BLOCKS, nargs="+", help="just these tables")
    option("--servers", choices=names, nargs="+", default=names, metavar="NAME",
           help=f"just these: {', '.join(names)}")
    option("--clients", choices=("other", "same"), nargs="+", default=("other", "same"),
           help="core of the client, seen from the server")
    option("--connections", type=int, nargs="+", help="1 8 64 256 1000")
    option("--sizes", type=int, nargs="+", help="bytes a message: 64 1024 16384")
    option("--cores", type=int, nargs=2, metavar=("SERVER", "OTHER"),
           help="where servers run, and clients on the other core (the last, the first)")
    option("--rounds", type=int, help="rounds of every comparison (5, fewer decide nothing)")
    option("--seconds", type=float, help="measured window of a round (0.4)")
    option("--quick", action="store_true",
           help="2 rounds of 0.2 s, 1 and 64 connections of 64 bytes: a trial, not a result")
    option("--bin", type=Path, default=ROOT / "build" / "bin", help="where the programs are")
    option("--results", type=Path, default=ROOT / "bench-results", help="where the JSON goes")
    option("--show", type=Path, metavar="FILE", help="print the tables of an earlier run again")
    arguments = parser.parse_args()
    defaults_set(arguments)
    if arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error("at least 1 round of more than 0 seconds")
    return arguments


def defaults_set(arguments):
    """What was not said; a trial is small."""
    quick = arguments.quick
    arguments.only = arguments.only or (QUICK_BLOCKS if quick else WHOLE_BLOCKS)
    arguments.connections = arguments.connections or ((1, 64) if quick else (1, 8, 64, 256, 1000))
    arguments.sizes = arguments.sizes or ((64,) if quick else (64, 1024, 16384))
    arguments.rounds = arguments.rounds or (2 if quick else 5)
    arguments.seconds = arguments.seconds or (0.2 if quick else 0.4)


def bench_make(arguments):
    cores = arguments.cores or sorted(os.sched_getaffinity(0), reverse=True)
    server_cpu, client_cpu = cores[0], cores[-1]
    clients = arguments.clients if server_cpu != client_cpu else ("same",)
    return Bench(
        programs=arguments.bin,
        servers=tuple(BY_NAME[name] for name in arguments.servers),
        clients=tuple(clients),
        connections=tuple(arguments.connections),
        sizes=tuple(arguments.sizes),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warmup=min(0.2, arguments.seconds),
        server_cpu=server_cpu,
        client_cpu=client_cpu,
        random=random.Random(),
    )


def results_write(folder, results):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / time.strftime("bench-%Y%m%d-%H%M%S.json")
    file.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {os.path.relpath(file)}")


def results_show(file):
    results = json.loads(file.read_text())
    facts_print(results["machine"])
    for name, show in SHOWS.items():
        if results.get(name):
            show(results[name])
    overview_show(results)


def failures_count(results):
    """Tables list their failures; in the others a row is one."""
    count = 0
    for name in set(results) & set(BLOCKS):
        found = results[name] or []
        rows = found["failures"] if isinstance(found, dict) else found
        count += sum(isinstance(row, str) or "failed" in row for row in rows)
    return count


def measure(arguments):
    programs_check(arguments.bin, {BY_NAME[name].program() for name in arguments.servers}
                   | {"weir-lat"})
    descriptors_raise()
    bench, facts = bench_make(arguments), machine_facts()
    facts_print(facts)
    print(f"servers on core {bench.server_cpu}, the other core is {bench.client_cpu}, loopback")
    results = {"machine": facts}
    try:
        for name in arguments.only:
            results[name] = BLOCKS[name](bench)
        overview_show(results)
    finally:
        results_write(arguments.results, results)
    return failures_count(results)


def main():
    arguments = arguments_parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.show:
        results_show(arguments.show)
        return 0
    return 1 if measure(arguments) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        progress("")
        sys.exit(f"ci/bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
