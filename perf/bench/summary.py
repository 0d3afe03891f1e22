# SPDX-License-Identifier: MIT
"""What README.md shows of the figures: what weir holds itself to, and a line a server."""

from aims import PARITY_TITLE, aims_of, counts_of
from markdown import (
    PLACES,
    aims_grid,
    bulk_means_grid,
    grid,
    long,
    rounds_text,
    short,
    size_text,
    spin_grid,
    suite_means_grid,
    taken_text,
    title_of,
    words,
)
from ratios import floors_of, mean_of, names_of
from servers import BULK_FLOORS
from stats import median_of

SHOWN = "weir-uring"  # the server whose aims README shows, beside those of parity
CALLS_CONNECTIONS = 64
MEANS = {"rate": "messages a second", "p50_us": "p50", "p99_us": "p99"}


def summary(results):
    """All of it, for the blocks that were measured."""
    parts = []
    for name, text in (("table", table_text), ("bulk", bulk_text), ("suite", suite_text),
                       ("spin", spin_text)):
        if results.get(name):
            parts.append(text(results))
    return "\n".join([*head_text(results), *aims_text(results), *parts])


def head_text(results):
    for name in ("table", "bulk", "suite", "spin"):
        if results.get(name):
            yield words(f"{taken_text(results['machine'], results[name])}. Every row, with its"
                        " interval, is in [docs/figures.md](docs/figures.md).")
            return


def aims_text(results):
    aims = [aim for aim in aims_of(results)
            if aim.server == SHOWN or (aim.title == PARITY_TITLE and not aim.scope)]
    if aims:
        yield words("What weir holds itself to. A timed figure is a geometric mean of ratios, and"
                    " holds if the upper bound of its interval is below the limit:")
        yield aims_grid(aims)


# ---- The table


def cpu_grid(table):
    """A column a place and size, which is the mean over the numbers of connections."""
    floors, columns = floors_of(table), {}
    for row in table["rows"]:
        columns.setdefault((row["client"], row["size"]), []).append(row)
    head = ["client on", *(f"{PLACES[client]}, {size_text(size)}" for client, size in columns),
            "all rows"]
    rows = []
    for name in names_of(table):
        cells = [short(mean_of(some, "cpu_ns", name, floors)) for some in columns.values()]
        rows.append([title_of(name), *cells, long(mean_of(table["rows"], "cpu_ns", name, floors))])
    return grid(head, rows)


def calls_of(table, name):
    """System calls a message: of the messages of 64 connections, the median of its rows."""
    counts = [{"calls": row["calls"].get(name)} for row in table["rows"]
              if row["connections"] == CALLS_CONNECTIONS]
    counts = [count for count in counts if count["calls"] is not None]
    return median_of({name: counts}, "calls", name)


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def means_grid(table, counts):
    floors = floors_of(table)
    head = ["", *MEANS.values(), *(title for title, of in counts.items() if of), "system calls"]
    rows = []
    for name in names_of(table):
        means = [long(mean_of(table["rows"], field, name, floors)) for field in MEANS]
        counted = [number(of.get(name)) for of in counts.values() if of]
        rows.append([title_of(name), *means, *counted, number(calls_of(table, name), 2)])
    return grid(head, rows)


def table_text(results):
    table = results["table"]
    connections = sorted({row["connections"] for row in table["rows"]})
    among = ", ".join(f"{count:,}" for count in connections)
    return "\n".join((
        words("Server CPU a message, as a ratio to the better floor of each row: geometric means"
              f" over {among} connections (?: undecided; both floors are above 1 where the better"
              " one differs from row to row):"),
        cpu_grid(table),
        words("The rest, over all rows. Idle is resident bytes of a connection that has echoed 64"
              " bytes, or 16 KiB; instructions are the user's, a message of 64 bytes, 64"
              f" connections; system calls a message are of {CALLS_CONNECTIONS} connections:"),
        means_grid(table, counts_of(results)),
    ))


# ---- The others


def bulk_text(results):
    bulk = results["bulk"]
    floors = floors_of(bulk, BULK_FLOORS)
    return "\n".join((
        words("A bulk transfer: server CPU and time a MiB of one stream, as a ratio to the better"
              " of two raw loops, by the size of a call: geometric means over both places of the"
              f" client ({rounds_text(bulk)}):"),
        bulk_means_grid(bulk, "send", floors),
        bulk_means_grid(bulk, "receive", floors),
    ))


def suite_text(results):
    suite = results["suite"]
    return "\n".join((
        words("The rows of Corosio's benchmark suite that concern streams, timers, accepts and"
              " posts, one thread on one core, beside Asio's coroutines"
              f" ({rounds_text(suite)}); below 1 weir is faster:"),
        suite_means_grid(suite),
    ))


def spin_text(results):
    spin = results["spin"]
    return "\n".join((
        words("Spinning before sleep, messages of 64 bytes: messages a second to those when neither"
              f" end spins, and p50 ({rounds_text(spin)}):"),
        spin_grid(spin),
    ))
