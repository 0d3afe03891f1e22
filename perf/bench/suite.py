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
from sample import Rounds, heading, programs_check, samples_take
from servers import SUITES
from stats import UNDECIDED, Ratio, coverage_text, geometric_mean

PAIRS = (("weir-uring", "asio-uring"), ("weir-epoll", "asio-epoll"), ("weir-uring", "asio-epoll"))
GRACE_SECONDS = 30  # of a row that does not end
WARMUP_SECONDS = 0.1


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
    programs_check(bench.programs, {contender.program() for contender in SUITES})
    rows, failures = rows_list(bench), []
    for count, samples in samples_take(bench, SUITES, rows, Rounds(bench), failures, row_take):
        suite = {"rounds": count, "seconds": bench.seconds, "failures": failures,
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


def mean_time_of(suite, ours, theirs):
    """Over all rows, with its interval over the rounds."""
    rows = ([b["rate"] / a["rate"] if a and b else None for a, b in zip(row[ours], row[theirs])]
            for row in suite["samples"].values())
    return geometric_mean([row for row in rows if any(row)])


def time_text(ratio):
    if ratio is None:
        return "failed"
    mark = "?" if ratio.is_undecided() else ""
    return f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f}){mark}"


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
    means = " ".join(f"{time_text(mean_time_of(suite, a, b)):<20}" for a, b in PAIRS)
    print(f"  {'all rows together':<82}   {means}".rstrip())
    for failure in suite["failures"]:
        print(f"  FAILED: {failure}")


def suite_block(bench):
    suite = suite_measure(bench)
    suite_show(suite)
    return suite
