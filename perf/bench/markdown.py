# SPDX-License-Identifier: MIT
"""Tables of documents: cells, rows, and the tables that README.md and docs/figures.md both have."""

import textwrap

from aims import TRANSFERS, TRANSFER_FIELDS, scope_of, value_of
from bulk import MIB
from machine import BUSY_SHARE_MAX
from ratios import floor_of, mean_of, names_of, ratio_of
from servers import BULK_TITLES, SUITES, TITLES
from spin import ENDS, IDLE_SHARE_MAX, gain_verdict, loss_verdict
from stats import Ratio, coverage_text, median_of, paired, ratio_digits
from suite import PAIRS, groups_of, mean_time_of, slower_of

WIDTH = 118
PLACES = {"other": "other core", "same": "same core"}
BACKEND_TITLES = {"uring": "io_uring", "epoll": "epoll"}


def words(text):
    """A paragraph."""
    return textwrap.fill(text, WIDTH, break_on_hyphens=False) + "\n"


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


def items(texts):
    """A list, lines as long as those of a paragraph."""
    return "\n".join(textwrap.fill(text, WIDTH, initial_indent="* ", subsequent_indent="  ",
                                   break_on_hyphens=False) for text in texts) + "\n"


def mark(ratio):
    return "?" if ratio.is_undecided() else ""


def short(ratio):
    """A ratio in a table of many."""
    return f"{ratio.median:.2f}{mark(ratio)}" if ratio else "failed"


def long(ratio):
    """A ratio with its interval."""
    if ratio is None:
        return "failed"
    return f"{ratio_digits(ratio.median)} ({ratio.interval_text()}){mark(ratio)}"


def judged(ratio):
    """A ratio with its interval, and whether it holds as that of a cost to the floor."""
    return f"{ratio.median:.2f} ({ratio.interval_text()}): {ratio.verdict()}"


def long_cell(row, field, server, floors, scale=1, digits=0):
    """The median as measured, and its ratio; that of the floor itself is 1."""
    median = median_of(row["samples"], field, server)
    if median is None:
        return "failed"
    ratio = ratio_of(row, field, server, floors)
    beside = "1" if server == floor_of(row, field, floors) else long(ratio) if ratio else ""
    return f"{median / scale:,.{digits}f}; {beside}"


# ---- Aims


NONE = "-"
TO_THE_FLOOR = {"parity", "bulk"}  # kinds of aims whose figure is a ratio to it


def server_of(aim):
    return title_of(aim.server, BULK_TITLES if aim.kind == "bulk" else TITLES)


def floor_cell(aim):
    return "1" if aim.kind in TO_THE_FLOOR else aim.floor_text() or NONE


def size_cell(aim):
    """The figure of one size, and the floor's."""
    if aim is None or aim.figure is None:
        return NONE
    digits = 2 if isinstance(aim.figure, Ratio) else 3
    unsure = "?" if aim.verdict() in ("undecided", "too few") else ""
    floor = f", floor {value_of(aim.floor):.{digits}f}" if aim.floor else ""
    return f"{value_of(aim.figure):.{digits}f}{unsure}{floor}"


def aims_grid(aims, sizes):
    """A line an aim; the sizes are columns."""
    parts = {(aim.title, aim.server, aim.scope): aim for aim in aims}
    scopes = [scope_of(size) for size in sizes] if len(sizes) > 1 else []
    head = ["what", "server", "below", "figure", "verdict",
            *(size_text(size) for size in sizes if scopes), "better floor", "single rows"]
    return grid(head, (
        [aim.title, server_of(aim), f"{aim.limit:g}", aim.figure_text(), aim.verdict(),
         *(size_cell(parts.get((aim.title, aim.server, scope))) for scope in scopes),
         floor_cell(aim), aim.rows_text() or NONE]
        for aim in aims if not aim.scope))


def aims_grid_long(aims):
    """A line an aim and size."""
    head = ["what", "server", "rows", "below", "figure", "verdict", "better floor", "single rows"]
    return grid(head, (
        [aim.title, server_of(aim), aim.scope or "all", f"{aim.limit:g}", aim.figure_text(),
         aim.verdict(), floor_cell(aim), aim.rows_text() or NONE]
        for aim in aims))


# ---- Bulk


def bulk_short_grid(bulk, floors, shown):
    """CPU and time of those shown, over all sizes and places; of what is to cost no more than the
    floor, a verdict."""
    kinds = [(direction, field) for direction in TRANSFERS for field in TRANSFER_FIELDS]
    head = ["server", *(f"{TRANSFERS[direction]}: {TRANSFER_FIELDS[field]}"
                        for direction, field in kinds)]
    rows = {direction: [row for row in bulk["rows"] if row["direction"] == direction]
            for direction in TRANSFERS}
    claiming = names_of(bulk, "weir")

    def cell(name, direction, field):
        ratio = mean_of(rows[direction], field, name, floors)
        return judged(ratio) if ratio and name in claiming else long(ratio)

    return grid(head, ([title_of(name, BULK_TITLES), *(cell(name, *kind) for kind in kinds)]
                       for name in names_of(bulk) if name in shown))


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
    head = ["time", *(f"{titles[ours]} to {titles[theirs]}" for ours, theirs in PAIRS)]
    lines = [[f"{title}, {len(rows)} rows", *(long(mean_time_of(rows, *pair)) for pair in PAIRS)]
             for title, rows in groups_of(suite)]
    slower = (slower_of(suite["samples"], *pair) for pair in PAIRS)
    lines.append(["rows in which weir is slower", *(
        ", ".join(f"`{name}` {long(ratio)}" for name, ratio in found) or "none"
        for found in slower)])
    return grid(head, lines)


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


def idle_cell(share):
    if share is None:
        return "failed"
    return f"{100 * share:.3f} %: {'holds' if share < IDLE_SHARE_MAX else 'fails'}"


def spin_grid(spin):
    """A line a place, a load and who spins; a column a backend."""
    backends = list(dict.fromkeys(row["backend"] for row in spin["rows"]))
    lines, wanted = {}, [ends for ends in ENDS if ends != "neither"]
    for row in spin["rows"]:
        for ends in [ends for ends in row["samples"] if ends in wanted]:
            plural = "" if row["connections"] == 1 else "s"
            what = f"{ends}; {row['place']}, {row['connections']} connection{plural}"
            lines.setdefault(what, {})[row["backend"]] = spin_cell(row, ends)
    rows = [[what, *(cells.get(it, "") for it in backends)] for what, cells in lines.items()]
    rows.append(["CPU of a core while idle", *(idle_cell(spin["idle"].get(it))
                                               for it in backends)])
    return grid(["who spins; where", *(BACKEND_TITLES[it] for it in backends)], rows)


# ---- Words


def taken_text(machine, block):
    """Where and how this was taken, as a sentence."""
    day = machine["time"].split()[0]
    made = f"; {', '.join(machine['versions'])}" if machine.get("versions") else ""
    kind = "a virtual machine" if machine["virtual"] else "a machine"
    kernel = machine["kernel"].split("-")[0]
    return (f"Taken on {kind} ({machine['cpu']}, {machine['cores']} cores, {kernel}{made}),"
            f" {day}, {rounds_text(block)}")


def closely_text(results):
    """Of what the parity of some servers was judged by, if not by the table."""
    if not results.get("parity"):
        return ""
    names = names_of(results["parity"], "weir")
    return (f" Parity of {', '.join(title_of(name) for name in names)}:"
            f" {rounds_text(results['parity'])}, beside its floors alone.")


def rounds_text(block):
    rounds = block["rounds"]
    busy = [share for share in block.get("busy", ()) if share > BUSY_SHARE_MAX]
    others = (f", of which {len(busy)} began while others used up to {100 * max(busy):.0f} % of the"
              " machine") if busy else ""
    return (f"{rounds} interleaved rounds of {block['seconds']:g} s{others}, intervals at"
            f" {coverage_text(rounds)}")
