# SPDX-License-Identifier: MIT
"""weir-echo beside the servers it is to be compared with: written by hand, on Asio, on libuv.

What is measured, and how, is said above each table as it is printed. Every process has one thread
and is pinned; all traffic is loopback. Many short rounds rather than few long ones: what differs is
mostly how client and server fall into step, once a run. Run through ci/bench, which builds the
release first. Servers are listed in perf/bench/servers.py.
"""

import os
import signal
import subprocess
import sys

from aims import aims_of, aims_show, counts_of
from bulk import bulk_block, bulk_show
from counts import descriptors_raise, idle_block, instructions_block, syscalls_block
from documents import DOCUMENTS, publish
from machine import facts_print, machine_facts
from options import ROOT, arguments_parse, bench_make
from paced import paced_block, paced_show
from process import BenchError
from results import Results, results_read
from sample import built, heading, progress, programs_check
from servers import BULKS, CLOSELY, SERVERS
from spin import spin_block, spin_show
from suite import suite_block, suite_show
from table import matrix_show, means_show, table_measure, table_show

SAMPLE_SECONDS = 0.08  # of a sample, beside its warm-up and window
SCALE_CONNECTIONS = 1_000_000
SCALE_FEWER = 3  # Exit status of weir-scale: the machine carries fewer, and its report says why.
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


def parity_block(bench):
    """Fewer servers than the table has, for more rounds."""
    contenders = [server for server in bench.servers if server.name in CLOSELY]
    if not {server.kind for server in contenders} >= {"weir", "floor"}:
        raise BenchError(f"parity is of {CLOSELY[0]} and a floor")
    parity = table_measure(bench, contenders, bench.cases(), counting=False, name="parity")
    parity_block_show(parity)
    return parity


def parity_block_show(parity):
    table_show(parity, "Beside the floors alone, nobody spinning")
    matrix_show(parity)


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
    failed = run.returncode not in (0, SCALE_FEWER)
    return {"output": run.stdout.splitlines(), "failures": ["weir-scale"] * failed}


BLOCKS = {
    "idle": idle_block,
    "table": table_block,
    "paced": paced_block,
    "parity": parity_block,
    "bulk": bulk_block,
    "spin": spin_block,
    "syscalls": syscalls_block,
    "instructions": instructions_block,
    "suite": suite_block,
    "scale": scale_block,
}
SHOWS = {"table": table_block_show, "paced": paced_show, "parity": parity_block_show,
         "bulk": bulk_show, "spin": spin_show, "suite": suite_show}
QUICK_BLOCKS = ("idle", "table")
WHOLE_BLOCKS = tuple(name for name in BLOCKS if name not in ("parity", "scale"))


# ---- The whole


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


def programs_find(arguments, bench):
    """All that will be needed, before an hour is spent on the first of it."""
    programs_check(arguments.bin, {"weir-lat"} | ({"weir-scale"} & set(
        f"weir-{name}" for name in arguments.only)))
    if "bulk" in arguments.only:
        built(arguments.bin, BULKS)
    missing = [] if arguments.servers else [it for it in SERVERS if it not in bench.servers]
    if missing:
        print(f"left out, not built: {', '.join(it.name for it in missing)}")


def measure(arguments):
    descriptors_raise()
    facts = machine_facts(arguments.bin)
    bench = bench_make(arguments, lambda name, table: results.keep(name, table))
    programs_find(arguments, bench)
    results = Results(arguments.results, facts)
    facts_print(facts)
    print(f"servers on core {bench.server_cpu}, the other core is {bench.client_cpu}, loopback")
    print(f"results: {os.path.relpath(results.file)}, written after each round")
    is_written = False
    try:
        for name in arguments.only:
            is_written = results.keep(name, BLOCKS[name](bench))
    except BaseException:
        progress("")
        print(f"cut short; what there is: ci/bench --show {os.path.relpath(results.file)}",
              file=sys.stderr)
        raise
    overview_show(results.values)
    return failures_count(results.values) + (not is_written)


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
