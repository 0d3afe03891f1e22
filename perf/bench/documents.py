# SPDX-License-Identifier: MIT
"""The figures in documents: README.md has a summary, docs/figures.md every row, and the chapter on
the native layer what that saves.

In each they stand between two markers, and are made of the results alone.
"""

from aims import TRANSFERS, aims_of, counts_of
from markdown import (
    PLACES,
    aims_grid_long,
    bulk_means_grid,
    closely_text,
    grid,
    items,
    long,
    long_cell,
    size_text,
    spin_grid,
    suite_means_grid,
    taken_text,
    title_of,
    words,
)
from paced import paced_text
from process import BenchError
from ratios import floors_of, mean_of, names_of
from reasons import reasons
from servers import BULK_FLOORS, BULK_TITLES, NATIVES, SUITES
from spin import SPIN_WORDS
from stats import UNDECIDED
from suite import PAIRS, rate_of, rate_text, time_of, time_text, unit_of
from summary import AIMS_WORDS, COUNT_WORDS, cpu_grid, means_grid, summary
from table import FIELDS

NATIVE_RECEIVES = {"weir-native-own": "its own buffer (`weir_uring_read_some`)",
                   "weir-native": "buffers of the loop (`weir_uring_pull`)"}
BEGIN, END = "<!-- numbers -->", "<!-- end of numbers -->"
TRANSFER_FIELDS = (("rate", "MiB a second", 1), ("cpu_ns", "server CPU a MiB, us", 1000))


def figures(results):
    """Every row of every block."""
    parts = [words(f"`?` marks a ratio that is {UNDECIDED}.")]
    aims = aims_of(results)
    if aims:
        parts += ["## What weir holds itself to\n", words(AIMS_WORDS + closely_text(results)),
                  aims_grid_long(aims)]
        found = list(reasons(results, aims))
        parts += ["What does not hold, and what the same samples say of it:\n",
                  items(found)] if found else []
    for name, text in (("table", table_text), ("paced", paced_part), ("parity", parity_text),
                       ("bulk", bulk_text), ("suite", suite_text), ("spin", spin_text)):
        if results.get(name):
            parts.append(text(results, taken_text(results["machine"], results[name])))
    return "\n".join(parts)


# ---- Echoes


def groups_of(rows, *fields):
    """Rows by these fields, in the order in which they were measured."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[field] for field in fields), []).append(row)
    return groups.items()


def table_text(results, taken):
    table = results["table"]
    parts = ["## Echoes\n", words(f"{taken}. Ratios are to the better floor of the row. First the"
                                  " geometric means: CPU a message by place and size, then the rest"
                                  " over all rows; no floor is 1 where the better one differs"
                                  " from row to row. "
                                  f"{COUNT_WORDS.format(full=', or 16 KiB')}."),
             cpu_grid(table), means_grid(table, counts_of(results)), *native_parts(results)]
    for field, title, scale, digits in FIELDS:
        parts.append(f"### {title[0].upper()}{title[1:]}\n")
        parts += field_grids(table, field, scale, digits)
    parts.append("### System calls a message\n")
    return "\n".join([*parts, *calls_grids(table)])


def connections_head(client, size, rows):
    counts = [f"{row['connections']:,}" for row in rows]
    return [f"{size_text(size)}, client on the {PLACES[client]}; connections:", *counts]


def native_parts(results):
    """What the native layer costs, to the portable one that receives in the same way."""
    table, counts = results["table"], counts_of(results)["instructions"]
    pairs = [pair for pair in NATIVES.items() if set(pair) <= set(names_of(table))]
    if not pairs:
        return
    groups = [(f"CPU a message, {size_text(size)}, client on the {PLACES[client]}", rows)
              for (client, size), rows in groups_of(table["rows"], "client", "size")]
    lines = [[text, *(long(mean_of(rows, "cpu_ns", native, [portable]))
                      for native, portable in pairs)]
             for text, rows in [*groups, ("CPU a message, all rows", table["rows"])]]
    if all(name in counts for pair in pairs for name in pair):
        lines.append(["user instructions a message", *(
            f"{counts[native]:,.0f} instead of {counts[portable]:,.0f}"
            for native, portable in pairs)])
    yield "### Native against portable\n"
    yield words("The native layer to the portable one that receives in the same way: geometric"
                " means over the numbers of connections.")
    yield grid(["what", *(f"{title_of(native)} to {title_of(portable)}"
                          for native, portable in pairs)], lines)


def native(results):
    """What the native layer saves, in the chapter that tells of it."""
    counts, table = counts_of(results)["instructions"], results.get("table")
    names = {name for pair in NATIVES.items() for name in pair}
    if not table or not names <= set(names_of(table)) & set(counts):
        return ""
    lines = ([NATIVE_RECEIVES[name], f"{counts[portable]:,.0f}", f"{counts[name]:,.0f}",
              long(mean_of(table["rows"], "cpu_ns", name, [portable]))]
             for name, portable in NATIVES.items())
    return "\n".join((
        words("An echo of 64 bytes on 64 connections, user instructions of the server a message"
              " (callgrind), and its processor time over all rows, the native sessions' to the"
              f" portable ones'. {taken_text(results['machine'], table)}. `?`: {UNDECIDED}."),
        grid(["receives into", "portable", "native", "processor time"], lines)))


def field_grids(table, field, scale, digits):
    floors = floors_of(table)
    for (size, client), rows in groups_of(table["rows"], "size", "client"):
        yield grid(connections_head(client, size, rows), (
            [title_of(name), *(long_cell(row, field, name, floors, scale, digits) for row in rows)]
            for name in names_of(table)))


def calls_grids(table):
    for (size, client), rows in groups_of(table["rows"], "size", "client"):
        yield grid(connections_head(client, size, rows), (
            [title_of(name), *("-" if (calls := row["calls"].get(name)) is None else f"{calls:.2f}"
                               for row in rows)]
            for name in names_of(table)))


def parity_text(results, taken):
    """By which the parity of these servers is judged."""
    field, title, scale, digits = next(field for field in FIELDS if field[0] == "cpu_ns")
    return "\n".join(("## Echoes beside the floors alone\n",
                      words(f"{taken}. {title}; ratios are to the better floor of the row."),
                      *field_grids(results["parity"], field, scale, digits)))


# ---- The others


def paced_part(results, taken):
    paced, parts = results["paced"], ["## Echoes at a rate\n", words(f"{taken}.")]
    parts.append(paced_text(paced))
    for field, title, scale, digits in FIELDS[1:]:
        parts.append(f"### {title[0].upper()}{title[1:]}, at a rate\n")
        parts += field_grids(paced, field, scale, digits)
    return "\n".join(parts)


def bulk_text(results, taken):
    bulk = results["bulk"]
    floors = floors_of(bulk, BULK_FLOORS)
    parts = ["## Bulk transfer\n",
             words(f"{taken}. First the geometric means over both places of the client, of CPU and"
                   " time a MiB, to the better raw loop.")]
    parts += [bulk_means_grid(bulk, direction, floors) for direction in TRANSFERS]
    for field, title, scale in TRANSFER_FIELDS:
        parts.append(f"### {title[0].upper()}{title[1:]}\n")
        for (direction, client), rows in groups_of(bulk["rows"], "direction", "client"):
            head = [f"{TRANSFERS[direction]}, client on the {PLACES[client]}; bytes of a call:",
                    *(size_text(row["size"]) for row in rows)]
            parts.append(grid(head, (
                [title_of(name, BULK_TITLES),
                 *(long_cell(row, field, name, floors, scale) for row in rows)]
                for name in names_of(bulk))))
    return "\n".join(parts)


def suite_text(results, taken):
    suite = results["suite"]
    titles = {contender.name: contender.title for contender in SUITES}
    head = ["row", "unit", *(f"{title}, a second" for title in titles.values()),
            *(f"time: {titles[a]} to {titles[b]}" for a, b in PAIRS)]
    rows = ([f"`{name}`", unit_of(row), *(rate_text(rate_of(row[each])) for each in titles),
             *(time_text(time_of(row[a], row[b])) for a, b in PAIRS)]
            for name, row in suite["samples"].items())
    return "\n".join((
        "## Rows of Corosio's benchmark suite\n",
        words(f"{taken}, one thread on one core. Below 1 weir is faster. Which rows these are, and"
              " what is left out, is in [suite.h](../perf/suite/suite.h)."),
        suite_means_grid(suite), grid(head, rows)))


def spin_text(results, taken):
    return "\n".join(("## Spinning before sleep\n",
                      words(f"{taken}. To neither end spinning. {SPIN_WORDS}"),
                      spin_grid(results["spin"])))


# ---- Into the documents

DOCUMENTS = {"summary": summary, "figures": figures, "native": native}
FILES = {"summary": "README.md", "figures": "docs/figures.md",
         "native": "docs/guide/08-native.md"}


def replaced(document, text):
    """The document with this between its markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"there is no {BEGIN} before an {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def publish(root, results):
    """A document of which nothing was measured stays as it is."""
    for kind, make in DOCUMENTS.items():
        file, text = root / FILES[kind], make(results)
        if text:
            file.write_text(replaced(file.read_text(), text))
            print(f"wrote {FILES[kind]}")
