# SPDX-License-Identifier: MIT
"""Tables of documents: cells, rows, and the tables that README.md and docs/figures.md both have."""

import textwrap

from aims import TRANSFERS
from bulk import MIB
from ratios import floor_of, mean_of, ratio_of
from servers import BULK_TITLES, SUITES, TITLES
from spin import gain_verdict, loss_verdict
from stats import Ratio, coverage_text, median_of, paired
from suite import PAIRS, mean_time_of

PLACES = {"other": "other core", "same": "same core"}
BACKEND_TITLES = {"uring": "io_uring", "epoll": "epoll"}


def words(text):
    """A paragraph."""
    return textwrap.fill(text, 110, break_on_hyphens=False) + "\n"


def grid(head, rows):
    """A table; every row as long as its head."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]]) + "\n"


def size_text(size):
    for divisor, unit in ((MIB, "MiB"), (1024, "KiB")):
        if size >= divisor and size % divisor == 0:
            return f"{size // divisor} {unit}"
    return f"{size:,} B"


def title_of(name, titles=TITLES):
    return titles.get(name) or name


def mark(ratio):
    return "?" if ratio.is_undecided() else ""


def short(ratio):
    """A ratio in a table of many."""
    return f"{ratio.median:.2f}{mark(ratio)}" if ratio else "failed"


def long(ratio):
    """A ratio with its interval."""
    return f"{ratio.median:.2f} ({ratio.interval_text()}){mark(ratio)}" if ratio else "failed"


def long_cell(row, field, server, floors, scale=1, digits=0):
    """The median as measured, and its ratio; that of the floor itself is 1."""
    median = median_of(row["samples"], field, server)
    if median is None:
        return "failed"
    ratio = ratio_of(row, field, server, floors)
    beside = "1" if server == floor_of(row, field, floors) else long(ratio) if ratio else ""
    return f"{median / scale:,.{digits}f}; {beside}"


# ---- Aims


def aims_grid(aims):
    """A title, and below it servers and scopes."""
    rows, title = [], None
    for aim in aims:
        what = aim.title if aim.title != title else ""
        title = aim.title
        server = title_of(aim.server, BULK_TITLES if aim.title.startswith("bulk") else TITLES)
        whom = f"{server}, {aim.scope}" if aim.scope else server
        rows.append([what, whom, aim.figure_text(), f"{aim.limit:g}", aim.verdict(),
                     aim.rows_text()])
    return grid(["what", "server", "figure", "below", "", "single rows"], rows)


# ---- Bulk


def bulk_means_grid(bulk, direction, floors):
    """CPU by size, over both places of the client; then all sizes together."""
    rows = [row for row in bulk["rows"] if row["direction"] == direction]
    sizes = sorted({row["size"] for row in rows})

    def cells(server):
        for size in sizes:
            some = [row for row in rows if row["size"] == size]
            yield short(mean_of(some, "cpu_ns", server, floors))
        yield long(mean_of(rows, "cpu_ns", server, floors))
        yield long(mean_of(rows, "wall_ns", server, floors))

    head = [TRANSFERS[direction], *(f"CPU, {size_text(size)}" for size in sizes), "CPU, all",
            "time, all"]
    names = rows[0]["samples"] if rows else ()
    return grid(head, ([title_of(name, BULK_TITLES), *cells(name)] for name in names))


# ---- Suite


def suite_means_grid(suite):
    titles = {contender.name: contender.title for contender in SUITES}
    head = ["time of all rows", *(f"{titles[ours]} to {titles[theirs]}" for ours, theirs in PAIRS)]
    return grid(head, [[f"{len(suite['samples'])} rows",
                        *(long(mean_time_of(suite, *pair)) for pair in PAIRS)]])


# ---- Spinning


def spin_cell(row, ends):
    ratio = Ratio.of(paired(row["samples"], "rate", ends, "neither"))
    medians = [median_of(row["samples"], "p50_us", each) for each in (ends, "neither")]
    if ratio is None:
        return "failed"
    verdict = ""
    if ends == "both":
        is_free = len(row["samples"]) > 2
        verdict = f"; {gain_verdict(ratio) if is_free else loss_verdict(row)}"
    return (f"{ratio.median:.2f} ({ratio.interval_text()}), {medians[0]:.1f} us instead of"
            f" {medians[1]:.1f}{verdict}")


def spin_grid(spin):
    """A line a place, a load and who spins; a column a backend."""
    backends = list(dict.fromkeys(row["backend"] for row in spin["rows"]))
    lines = {}
    for row in spin["rows"]:
        for ends in [ends for ends in row["samples"] if ends != "neither"]:
            plural = "" if row["connections"] == 1 else "s"
            what = f"{ends}; {row['place']}, {row['connections']} connection{plural}"
            lines.setdefault(what, {})[row["backend"]] = spin_cell(row, ends)
    rows = [[what, *(cells.get(it, "") for it in backends)] for what, cells in lines.items()]
    rows.append(["CPU of a core while idle", *(f"{100 * spin['idle'][it]:.3f} %"
                                               for it in backends)])
    return grid(["who spins", *(BACKEND_TITLES[it] for it in backends)], rows)


# ---- Words


def taken_text(machine, block):
    """Where and how this was taken, as a sentence."""
    day = machine["time"].split()[0]
    kind = "a virtual machine" if machine["virtual"] else "a machine"
    kernel = machine["kernel"].split("-")[0]
    return (f"Taken on {kind} ({machine['cpu']}, {machine['cores']} cores, {kernel}),"
            f" {day}, {rounds_text(block)}")


def rounds_text(block):
    rounds = block["rounds"]
    return (f"{rounds} interleaved rounds of {block['seconds']:g} s, intervals at"
            f" {coverage_text(rounds)}")
