# SPDX-License-Identifier: MIT
"""The rows of Corosio's benchmark suite, for weir and for Asio on the same kernel interfaces.

Each sample is a process that runs one row for a while (perf/suite). Like the table, the rows are
measured to a plain value, and printed from that alone.
"""

import json
import os
import statistics
import subprocess

from bench_process import BenchError
from bench_sample import heading, progress, programs_check
from bench_stats import Ratio, interval_coverage, interval_rank

PROGRAMS = {
    "weir-uring": ("suite-weir", "--backend", "uring"),
    "weir-epoll": ("suite-weir", "--backend", "epoll"),
    "asio-uring": ("suite-asio-uring",),
    "asio-epoll": ("suite-asio-epoll",),
}
GRACE_SECONDS = 30  # of a row that does not end
WARMUP_SECONDS = 0.1


def sample_take(bench, name, row):
    program, *options = PROGRAMS[name]
    command = [bench.programs / program, *options, "--row", row]
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
    listing = [bench.programs / PROGRAMS["weir-uring"][0], "--list"]
    return subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()


def suite_measure(bench):
    """Every row of every program once a round, in an order that is drawn anew."""
    programs_check(bench.programs, {program for program, *_ in PROGRAMS.values()})
    rows = rows_list(bench)
    samples = {row: {name: [] for name in PROGRAMS} for row in rows}
    failures = []
    for number in range(bench.rounds):
        for index, row in enumerate(bench.random.sample(rows, len(rows))):
            progress(f"suite: round {number + 1} of {bench.rounds}, row {index + 1} of {len(rows)}")
            for name in bench.random.sample(list(PROGRAMS), len(PROGRAMS)):
                sample = None
                try:
                    sample = sample_take(bench, name, row)
                except BenchError as error:
                    failures.append(f"{name}, {row}: {error}")
                samples[row][name].append(sample)
    progress("")
    return {"rounds": bench.rounds, "seconds": bench.seconds, "samples": samples,
            "failures": failures}


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


def time_text(ratio):
    if ratio is None:
        return "failed"
    mark = "?" if ratio.is_undecided() else ""
    return f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f}){mark}"


def unit_of(row):
    units = [sample["unit"] for samples in row.values() for sample in samples if sample]
    return units[0] if units else ""


def suite_show(suite):
    rounds = suite["rounds"]
    coverage = 100 * interval_coverage(rounds, interval_rank(rounds))
    heading(
        "Rows of Corosio's suite, one thread on one core: weir beside Asio's coroutines",
        f"medians of {rounds} interleaved rounds of {suite['seconds']:g} s, a second; then the time"
        " that weir needs, to Asio's on the same",
        f"interface, round by round, with the interval that covers its median with {coverage:.1f}"
        " %; ?: undecided",
    )
    names = "".join(f"{name:>12}" for name in PROGRAMS)
    print(f"  {'':<22}{'':<12}{names}   {'uring to uring':<20} {'epoll to epoll':<20}"
          f" {'uring to epoll'}")
    for name, row in suite["samples"].items():
        rates = "".join(f"{rate_text(rate_of(row[program])):>12}" for program in PROGRAMS)
        pairs = (("weir-uring", "asio-uring"), ("weir-epoll", "asio-epoll"),
                 ("weir-uring", "asio-epoll"))
        times = " ".join(f"{time_text(time_of(row[a], row[b])):<20}" for a, b in pairs)
        print(f"  {name:<22}{unit_of(row):<12}{rates}   {times}".rstrip())
    for failure in suite["failures"]:
        print(f"  FAILED: {failure}")


def suite_block(bench):
    suite = suite_measure(bench)
    suite_show(suite)
    return suite
