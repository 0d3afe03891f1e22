# SPDX-License-Identifier: MIT
"""What README.md shows of the figures: what weir holds itself to, why not, and a line a server."""

from aims import aims_of, counts_of, sizes_of
from markdown import (
    PLACES,
    aims_grid,
    bulk_short_grid,
    closely_text,
    grid,
    items,
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
from paced import paced_text
from ratios import floors_of, mean_of, names_of
from reasons import reasons
from servers import BULK_FLOORS, BULKS, EPOLL_FLOORS, NATIVES
from spin import SPIN_WORDS
from stats import PARITY, UNDECIDED, median_of

SHOWN = "weir-uring"  # the server whose aims README shows, beside those of parity
BULKS_SHOWN = ("weir-uring", "weir-uring-lent", "weir-epoll", *BULK_FLOORS,
               *(it.name for it in BULKS if it.kind == "peer"))
CALLS_CONNECTIONS = 64
MEANS_WORDS = "geometric means"
UNSURE_WORDS = (f"`?`: {UNDECIDED}. Each figure is the median of its own rounds, so that of all"
                " rows need not lie between those of its parts.")
MEANS = {"rate": "messages a second", "p50_us": "p50", "p99_us": "p99"}
SHORT_FIELDS = (("cpu_ns", "CPU a message"), ("rate", "messages a second"), ("p50_us", "p50"),
                ("p99_us", "p99"))
AIMS_WORDS = (
    "What weir holds itself to: a timed figure is a geometric mean of ratios, and holds if the"
    " upper bound of its interval is below the limit, fails if the lower one is not, and is"
    " undecided (?) else. The better floor is the same figure of the server written by hand; 1"
    " where the ratio is to it. Single rows: how many of the rows behind a figure, each a place of"
    " the client, a number of connections and a size, hold or fail by themselves."
)


def summary(results):
    """All of it, for the blocks that were measured."""
    parts = []
    for name, text in (("table", table_text), ("paced", lambda of: paced_text(of["paced"])),
                       ("bulk", bulk_text), ("suite", suite_text), ("spin", spin_text)):
        if results.get(name):
            parts.append(text(results))
    aims = [aim for aim in aims_of(results)
            if aim.server == SHOWN or (aim.kind == "parity" and aim.server not in NATIVES)]
    head = [words(head_text(results))]
    return "\n".join([*head, *short_text(results), *aims_text(results, aims),
                      *reasons_text(results, aims), *parts])


def head_text(results):
    for name in ("table", "paced", "bulk", "suite", "spin"):
        if results.get(name):
            return (f"{taken_text(results['machine'], results[name])}. Every row with its interval,"
                    " and the aims of the native layer, are in [docs/figures.md](docs/figures.md).")
    return ""


def short_text(results):
    """What is asked first: one server of weir's to each of the others."""
    table = results.get("table")
    if not table or SHOWN not in names_of(table):
        return
    others = [(title_of(name), [name]) for name in names_of(table)
              if name in EPOLL_FLOORS or name in names_of(table, "peer")]
    head = [f"{title_of(SHOWN)}, to", *(title for _, title in SHORT_FIELDS)]
    yield words(f"In short, weir-echo beside each of the others: {MEANS_WORDS} of weir's figure to"
                " theirs. Of messages a second more is better, of the others less."
                f" {UNSURE_WORDS}")
    yield grid(head, (
        [title, *(long(mean_of(table["rows"], field, SHOWN, references))
                  for field, _ in SHORT_FIELDS)]
        for title, references in [("the better floor on io_uring", floors_of(table)), *others]))


def aims_text(results, aims):
    """The aims of a bulk transfer are told in its own table."""
    aims = [aim for aim in aims if aim.kind != "bulk"]
    if aims:
        yield words(AIMS_WORDS + closely_text(results))
        yield aims_grid(aims, sizes_of(results["table"]["rows"]))


def reasons_text(results, aims):
    found = list(reasons(results, aims))
    if found:
        yield "What does not hold, and what the same samples say of it:\n"
        yield items(found)


# ---- The table


def cpu_grid(table):
    """A column a place and size, which is the mean over the numbers of connections."""
    floors, columns = floors_of(table), {}
    for row in table["rows"]:
        columns.setdefault((row["client"], row["size"]), []).append(row)
    head = ["server; client on the:",
            *(f"{PLACES[client]}, {size_text(size)}" for client, size in columns), "all rows"]
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
    return "-" if value is None else f"{value:,.{digits}f}"


def means_grid(table, counts):
    floors = floors_of(table)
    shown = [title for title, of in counts.items() if of]
    head = ["server", *MEANS.values(), *shown, "system calls"]
    rows = []
    for name in names_of(table):
        means = [long(mean_of(table["rows"], field, name, floors)) for field in MEANS]
        counted = [number(of.get(name)) for of in counts.values() if of]
        rows.append([title_of(name), *means, *counted, number(calls_of(table, name), 2)])
    return grid(head, rows)


COUNT_WORDS = (
    "Idle is resident bytes of a connection that has echoed 64 bytes{full}; instructions (the"
    f" user's, messages of 64 bytes) and system calls are of {CALLS_CONNECTIONS} connections, a"
    " message; calls were counted once in each row, for 0.2 s"
)


def servers_grid(table, counts):
    """All that is told of a server, in a line."""
    floors = floors_of(table)
    places = dict.fromkeys(row["client"] for row in table["rows"])
    shown = {name: counts[name] for name in ("idle bytes", "instructions") if counts[name]}
    head = ["server", *(f"CPU, {PLACES[client]}" for client in places), "CPU, all rows",
            *MEANS.values(), *shown, "system calls"]
    rows = []
    for name in names_of(table):
        cells = [short(mean_of([row for row in table["rows"] if row["client"] == client], "cpu_ns",
                               name, floors)) for client in places]
        means = [long(mean_of(table["rows"], field, name, floors)) for field in ("cpu_ns", *MEANS)]
        counted = [number(of.get(name)) for of in shown.values()]
        rows.append([title_of(name), *cells, *means, *counted, number(calls_of(table, name), 2)])
    return grid(head, rows)


def table_text(results):
    table = results["table"]
    connections = sorted({row["connections"] for row in table["rows"]})
    counts = " and ".join((", ".join(f"{it:,}" for it in connections[:-1]),
                           f"{connections[-1]:,}")) if connections[1:] else f"{connections[0]:,}"
    sizes = ", ".join(size_text(size) for size in sizes_of(table["rows"]))
    return "\n".join((
        words(f"Every server, as ratios to the better floor on io_uring of each row, {MEANS_WORDS}"
              f" over {counts} connections and messages of {sizes}. CPU is the server's, a message."
              f" {COUNT_WORDS.format(full='')}."),
        servers_grid(table, counts_of(results)),
    ))


# ---- The others


def bulk_text(results):
    bulk = results["bulk"]
    floors = floors_of(bulk, BULK_FLOORS)
    return "\n".join((
        words("A bulk transfer, all sizes of a call and places of the client: server CPU and time a"
              f" MiB, to the better of two raw loops; weir is to be below {PARITY:g}"
              f" ({rounds_text(bulk)})."),
        bulk_short_grid(bulk, floors, BULKS_SHOWN),
    ))


def suite_text(results):
    suite = results["suite"]
    return "\n".join((
        words(f"{len(suite['samples'])} rows of Corosio's benchmark suite"
              " ([suite.h](perf/suite/suite.h) says which, and what is left out), both ends in one"
              f" thread on one core ({rounds_text(suite)}): geometric means of the time beside"
              " Asio's coroutines. Below 1 weir is faster."),
        suite_means_grid(suite),
    ))


def spin_text(results):
    spin = results["spin"]
    return "\n".join((
        words("Spinning before sleep, messages of 64 bytes: messages a second to those when neither"
              f" end spins, and p50 ({rounds_text(spin)}). {SPIN_WORDS}"),
        spin_grid(spin),
    ))
