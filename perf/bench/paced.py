# SPDX-License-Identifier: MIT
"""Latencies at a rate that every server keeps up with: what a closed loop cannot tell.

Messages are due at fixed times, whatever became of the ones before, and a latency is counted from
when its message was due: one that a stall delayed counts with the delay.
"""

from markdown import grid, long, rounds_text, title_of, words
from ratios import case_of, floors_of, mean_of, names_of
from sample import Case
from stats import UNDECIDED, median_of
from table import table_measure, table_show

RATE = 30_000  # messages a second: from a sixth to a half of what the servers can do
CONNECTIONS = (64, 1000)
SIZE = 64
FIELDS = (("p50_us", "p50"), ("p99_us", "p99"), ("cpu_ns", "CPU a message"))
TITLE = f"At {RATE:,} messages a second of {SIZE} bytes, latencies from when each was due"


def paced_block(bench):
    cases = [Case(client, connections, SIZE, rate=RATE) for client in bench.clients
             for connections in CONNECTIONS]
    paced = table_measure(bench, bench.servers, cases, "paced", counting=False)
    paced_show(paced)
    return paced


def paced_show(paced):
    table_show(paced, TITLE)


def row_text(row):
    case = case_of(row)
    return f"{case.connections:,} connections, {case.client} core"


def paced_text(paced):
    """A line a server: the p99 of each row, and what all rows say together."""
    floors, rows = floors_of(paced), paced["rows"]
    head = ["server", *(f"p99, {row_text(row)}" for row in rows),
            *(f"{title}, all rows" for _, title in FIELDS)]
    lines = []
    for name in names_of(paced):
        medians = (median_of(row["samples"], "p99_us", name) for row in rows)
        lines.append([title_of(name),
                      *("failed" if it is None else f"{it:,.0f} us" for it in medians),
                      *(long(mean_of(rows, field, name, floors)) for field, _ in FIELDS)])
    return "\n".join((
        words(f"{TITLE} ({rounds_text(paced)}). First what was measured, then geometric means of"
              f" the ratios to the better floor on io_uring of each row. `?`: {UNDECIDED}."),
        grid(head, lines)))
