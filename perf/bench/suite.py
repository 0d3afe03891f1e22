# SPDX-License-Identifier: MIT
"""The rows of Corosio's benchmark suite, for weir and for Asio on the same kernel interfaces.

Each sample is a process that runs one row for a while (perf/suite). Like the table, the rows are
measured to a plain value, and printed from that alone.
"""

import json
import os
import statistics
import subprocess
from dataclasses import dataclass

from process import BenchError
from sample import Rounds, built, heading, samples_take
from servers import SUITES
from stats import UNDECIDED, Ratio, coverage_text, geometric_mean, ratio_digits

PAIRS = (("weir-uring", "asio-uring"), ("weir-epoll", "asio-epoll"), ("weir-uring", "asio-epoll"))
GRACE_SECONDS = 30  # of a row that does not end
WARMUP_SECONDS = 0.1
# What moves no byte costs a library so much or so little that it would drown the others in a mean.
WITHOUT_SOCKETS = ("post", "timer_cancel", "timer_fire", "timers")


@dataclass(frozen=True)
class Row:
    """One row of the suite."""

    name: str

    def text(self):
        return self.name


def row_take(bench, contender, row):
    command = [*bench.command(contender), "--row", row.name]
    command += ["--seconds", f"{bench.seconds:g}", "--warmup", f"{WARMUP_SECONDS:g}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=bench.seconds + GRACE_SECONDS,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {bench.server_cpu}),
        )
    except subprocess.TimeoutExpired:
        raise BenchError("did not end") from None
    if done.returncode != 0:
        raise BenchError(f"exited with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def rows_list(bench):
    listing = [bench.programs / SUITES[0].program(), "--list"]
    names = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    return [Row(name) for name in names]


def suite_measure(bench):
    rows, failures, rounds = rows_list(bench), [], Rounds(bench)
    for count, samples in samples_take(bench, SUITES, rows, rounds, failures, row_take):
        suite = {"rounds": count, "seconds": bench.seconds, "busy": rounds.busy,
                 "failures": failures,
                 "samples": {row.name: samples[row] for row in rows}}
        bench.keep("suite", suite)
    return suite


# ---- Printing


def rate_of(samples):
    rates = [sample["rate"] for sample in samples if sample]
    return statistics.median(rates) if rates else None


def rate_text(rate):
    if rate is None:
        return "failed"
    for divisor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= divisor:
            return f"{rate / divisor:.2f} {unit}"
    return f"{rate:.1f}"


def time_of(mine, other):
    """The time that weir needs to that of the other, round by round: below 1 it is faster."""
    return Ratio.of([theirs["rate"] / ours["rate"] for ours, theirs in zip(mine, other)
                     if ours and theirs])


def mean_time_of(rows, ours, theirs):
    """Over these rows, with its interval over the rounds."""
    columns = ([b["rate"] / a["rate"] if a and b else None for a, b in zip(row[ours], row[theirs])]
               for row in rows.values())
    return geometric_mean([column for column in columns if any(column)])


def groups_of(suite):
    """A title and its rows: those with sockets, and the others."""
    groups = {"with sockets": {}, "tasks and timers alone": {}}
    with_sockets, without = groups.values()
    for name, row in suite["samples"].items():
        (without if name.split("/")[0] in WITHOUT_SOCKETS else with_sockets)[name] = row
    return [(title, rows) for title, rows in groups.items() if rows]


def slower_of(rows, ours, theirs):
    """The rows in which weir takes longer, and by how much, where that is decided."""
    times = ((name, time_of(row[ours], row[theirs])) for name, row in rows.items())
    return [(name, time) for name, time in times
            if time and time.median > 1 and not time.is_undecided()]


def time_text(ratio):
    if ratio is None:
        return "failed"
    mark = "?" if ratio.is_undecided() else ""
    return f"{ratio_digits(ratio.median)} ({ratio.interval_text()}){mark}"


def unit_of(row):
    units = [sample["unit"] for samples in row.values() for sample in samples if sample]
    return units[0] if units else ""


def suite_show(suite):
    heading(
        "Rows of Corosio's suite, one thread on one core: weir beside Asio's coroutines",
        f"medians of {suite['rounds']} interleaved rounds of {suite['seconds']:g} s, a second; then"
        " the time that weir needs, to Asio's on the same",
        "interface, round by round, with the interval that covers its median with"
        f" {coverage_text(suite['rounds'])};",
        f"?: {UNDECIDED}",
    )
    programs = [contender.name for contender in SUITES]
    names = "".join(f"{name:>12}" for name in programs)
    print(f"  {'':<22}{'':<12}{names}   {'uring to uring':<20} {'epoll to epoll':<20}"
          f" {'uring to epoll'}")
    for name, row in suite["samples"].items():
        rates = "".join(f"{rate_text(rate_of(row[program])):>12}" for program in programs)
        times = " ".join(f"{time_text(time_of(row[a], row[b])):<20}" for a, b in PAIRS)
        print(f"  {name:<22}{unit_of(row):<12}{rates}   {times}".rstrip())
    for title, group in groups_of(suite):
        means = " ".join(f"{time_text(mean_time_of(group, a, b)):<20}" for a, b in PAIRS)
        print(f"  {f'{title}, {len(group)} rows':<82}   {means}".rstrip())
    for failure in suite["failures"]:
        print(f"  FAILED: {failure}")


def suite_block(bench):
    if len(built(bench.programs, SUITES)) < len(SUITES):
        print("\nRows of Corosio's suite: skipped, for there is nothing beside weir: no Asio")
        return None
    suite = suite_measure(bench)
    suite_show(suite)
    return suite
