# SPDX-License-Identifier: MIT
"""weir-echo beside the servers it is to be compared with: written by hand, on Asio, on libuv.

What is measured, and how, is said above each table as it is printed. Every process has one thread
and is pinned; all traffic is loopback. Many short rounds rather than few long ones: what differs is
mostly how client and server fall into step, once a run. Run through ci/bench, which builds the
release first. Servers are listed in perf/bench/servers.py.
"""

import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from aims import aims_of, aims_show, counts_of
from bulk import bulk_block, bulk_show
from counts import descriptors_raise, idle_block, instructions_block, syscalls_block
from documents import DOCUMENTS, publish
from options import ROOT, arguments_parse, bench_make
from process import BenchError
from results import Results, results_read
from sample import heading, progress, programs_check
from servers import BY_NAME
from spin import spin_block, spin_show
from suite import suite_block, suite_show
from table import matrix_show, means_show, table_measure, table_show

BUSY_SHARE_MAX = 0.05
SAMPLE_SECONDS = 0.08  # of a sample, beside its warm-up and window
SCALE_CONNECTIONS = 1_000_000
CALLS_SECONDS = 0.68  # of counting the system calls of a row's server


# ---- Blocks that are tables


def table_block(bench):
    cases = bench.cases()
    samples = len(cases) * len(bench.servers)
    counting = samples * CALLS_SECONDS / 60
    round_minutes = samples * (bench.seconds + bench.warmup + SAMPLE_SECONDS) / 60
    minutes = max(counting + bench.rounds * round_minutes, bench.minutes)
    print(f"\n{len(cases)} rows of {len(bench.servers)} servers: {counting:.1f} minutes for system"
          f" calls, {round_minutes:.1f} for a round, about {minutes:.0f} for all", flush=True)
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


BLOCKS = {
    "idle": idle_block,
    "table": table_block,
    "bulk": bulk_block,
    "spin": spin_block,
    "syscalls": syscalls_block,
    "instructions": instructions_block,
    "suite": suite_block,
    "scale": scale_block,
}
SHOWS = {"table": table_block_show, "bulk": bulk_show, "spin": spin_show, "suite": suite_show}
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


def again(arguments):
    """Print or publish what was measured before."""
    results = results_read(arguments.show)
    if arguments.publish:
        publish(ROOT, results)
    elif arguments.markdown:
        print(DOCUMENTS[arguments.markdown](results))
    else:
        results_show(results)


def results_show(results):
    facts_print(results["machine"])
    for name, show in SHOWS.items():
        if results.get(name):
            show(results[name])
    overview_show(results)


def overview_show(results):
    """All that was measured, together."""
    print()
    if results.get("table"):
        means_show(results["table"], counts_of(results))
    aims = aims_of(results)
    if aims:
        aims_show(aims)


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
    facts = machine_facts()
    results = Results(arguments.results, facts)
    bench = bench_make(arguments, results.keep)
    facts_print(facts)
    print(f"servers on core {bench.server_cpu}, the other core is {bench.client_cpu}, loopback")
    print(f"results: {os.path.relpath(results.file)}, written after each round")
    for name in arguments.only:
        results.keep(name, BLOCKS[name](bench))
    overview_show(results.values)
    return failures_count(results.values)


def main():
    arguments = arguments_parse(__doc__, BLOCKS, WHOLE_BLOCKS, QUICK_BLOCKS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.show:
        again(arguments)
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
