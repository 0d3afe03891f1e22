# SPDX-License-Identifier: MIT
"""The table: every server, load and place of the client, as ratios to the floor.

What is measured is a plain value, as it is written to the results, and what is printed comes from
that alone: `ci/bench --show FILE` prints it again.
"""

from dataclasses import asdict

from process import BenchError, measuring
from ratios import case_of, floor_of, floors_of, mean_of, names_of, ratio_of
from sample import (
    Rounds,
    calls_can_be_counted,
    calls_count,
    heading,
    progress,
    samples_take,
)
from stats import UNDECIDED, coverage_text, median_of, ratio_text

# Field of a sample, how it is called, what a printed unit is, digits.
FIELDS = (
    ("rate", "thousand messages/s", 1000, 1),
    ("cpu_ns", "CPU a message, ns", 1, 0),
    ("p50_us", "p50, us", 1, 1),
    ("p99_us", "p99, us", 1, 1),
)
CELL = 28
NAME = 25
COUNT = 14


# ---- Measuring


def table_measure(bench, contenders, cases, name="table", counting=True):
    """Kept by this name after each round."""
    rounds, counts, failures = Rounds(bench), {}, []
    if counting and calls_can_be_counted():
        counts = calls_measure(bench, contenders, cases, failures)
    for count, samples in samples_take(bench, contenders, cases, rounds, failures):
        table = {
            "rounds": count,
            "seconds": bench.seconds,
            "busy": rounds.busy,
            "servers": [asdict(contender) for contender in contenders],
            "rows": [
                {**asdict(case), "samples": samples[case], "calls": counts.get(case, {})}
                for case in cases
            ],
            "failures": failures,
        }
        bench.keep(name, table)
    return table


def calls_measure(bench, contenders, cases, failures):
    counts = {}
    for case in cases:
        counts[case] = {}
        for contender in contenders:
            progress(f"system calls: {contender.name}, {case.text()}")
            try:
                with measuring():
                    counts[case][contender.name] = calls_count(bench, contender, case)
            except BenchError as error:
                failures.append(f"{contender.name}, {case.text()}: {error}")
    progress("")
    return counts


# ---- Printing


def cell_text(row, field, scale, digits, server, floors):
    median = median_of(row["samples"], field, server)
    if median is None:
        return f"{'failed':>9}".ljust(CELL)
    value = f"{median / scale:9,.{digits}f}"
    if server == floor_of(row, field, floors):
        return f"{value}  1".ljust(CELL)
    ratio = ratio_of(row, field, server, floors)
    if ratio is None:
        return value.ljust(CELL)
    mark = "?" if ratio.is_undecided() else ""
    return f"{value} {ratio.median:5.2f} {ratio.interval_text()}{mark}".ljust(CELL)


def row_show(table, row):
    floors = floors_of(table)
    titles = "".join(f"  {title:<{CELL - 2}}" for _, title, *_ in FIELDS)
    print(f"  {case_of(row).text()}")
    print(f"    {'':<{NAME}}{titles}calls")
    for server in names_of(table):
        cells = "".join(
            cell_text(row, field, scale, digits, server, floors)
            for field, _, scale, digits in FIELDS
        )
        calls = row["calls"].get(server)
        print(f"    {server:<{NAME}}{cells}{'' if calls is None else f'{calls:5.2f}'}".rstrip())
    print()


def table_heading(table, title):
    heading(
        title,
        f"medians of {table['rounds']} interleaved rounds of {table['seconds']:g} s; then the ratio"
        f" to the best of {', '.join(floors_of(table))} in that column,",
        "round by round, and the interval that covers its median with"
        f" {coverage_text(table['rounds'])} (order statistics); calls: system calls a message;",
        f"?: {UNDECIDED}",
    )


def table_show(table, title="Beside the peers, nobody spinning"):
    table_heading(table, title)
    for row in table["rows"]:
        row_show(table, row)
    for failure in table["failures"]:
        print(f"  FAILED: {failure}")


def matrix_show(table):
    """CPU a message of all servers and rows at a glance, as Markdown."""
    floors = floors_of(table)
    print("Server CPU a message, ratio to the better floor (?: undecided)\n")
    for size in sorted({row["size"] for row in table["rows"]}):
        rows = [row for row in table["rows"] if row["size"] == size]
        columns = [f"{row['client']}, {row['connections']:,}" for row in rows]
        print(f"| {size:,} bytes, client on core: | {' | '.join(columns)} |")
        print("|---" * (len(columns) + 1) + "|")
        for server in names_of(table):
            cells = (matrix_cell(row, server, floors) for row in rows)
            print(f"| {server} | {' | '.join(cells)} |")
        print()


def matrix_cell(row, server, floors):
    ratio = ratio_of(row, "cpu_ns", server, floors)
    if ratio is None:
        return "failed"
    if server == floor_of(row, "cpu_ns", floors):
        return "1"
    return f"{ratio.median:.2f}{'?' if ratio.is_undecided() else ''}"


def means_show(table, counts):
    """A line a server: what its rows say together, and what was counted besides, by title."""
    floors = floors_of(table)
    print("All rows together: geometric means of the ratios, with the interval over the rounds\n")
    titles = ("messages a second", "CPU a message", "p50", "p99")
    head = "".join(f"{title:<20}" for title in titles)
    print(f"  {'':<{NAME}}{head}{''.join(f'{title:>{COUNT}}' for title in counts)}")
    for server in names_of(table):
        means = [mean_of(table["rows"], field, server, floors) for field, *_ in FIELDS]
        cells = "".join(f"{ratio_text(mean):<20}" for mean in means)
        numbers = (count.get(server) for count in counts.values())
        more = "".join(f"{'' if n is None else format(n, ',.0f'):>{COUNT}}" for n in numbers)
        print(f"  {server:<{NAME}}{cells}{more}".rstrip())
    print()
