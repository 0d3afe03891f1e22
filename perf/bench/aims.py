# SPDX-License-Identifier: MIT
"""What weir holds itself to, as values: a figure, its limit and a verdict each.

A timed figure is a geometric mean over rows, and holds if it does so up to its upper bound; beside
it stands how many single rows hold. A counted figure is a number. Where the figure is not one to
the floor itself, the same of the better floor stands there, too.
"""

import statistics
from collections import Counter
from dataclasses import dataclass, field

from ratios import best_peer, case_of, claims_of, floor_mean_of, mean_of, names_of, ratio_of
from sample import CLIENTS
from servers import FLOORS, TITLES
from stats import PARITY, Ratio, ratio_text

PARITY_TITLE = "CPU a message, to the better floor of the same kernel interface"

# What a server on io_uring is to cost beside its peers, from so many connections up.
RIVAL_CONNECTIONS_MIN = 64
RIVAL_LIMITS = (
    ("same", 0.75, ("libuv", "asio-coroutines-epoll")),
    ("same", 0.90, ("asio-coroutines-uring",)),
    ("other", 0.90, ("libuv", "asio-coroutines-epoll")),
)
CALLS_CONNECTIONS_MIN = 64
CALLS_LIMIT = 0.05
COUNT_LIMITS = {
    "idle bytes": ("resident bytes of an idle connection", 512),
    "instructions": ("user instructions a message of 64 bytes", 350),
}
VERDICTS = {"holds": "hold", "undecided": "undecided", "fails": "fail",
            "too few": "of too few rounds"}
TRANSFERS = {"send": "sending", "receive": "receiving"}
TRANSFER_FIELDS = {"cpu_ns": "CPU", "wall_ns": "time"}


def case_text(row):
    return case_of(row).text()


def value_of(figure):
    """The figure as a number."""
    return figure.median if isinstance(figure, Ratio) else figure


def verdict_of(figure, limit):
    if figure is None:
        return "failed"
    if isinstance(figure, Ratio):
        return figure.verdict(limit)
    return "holds" if figure < limit else "fails"


@dataclass(frozen=True)
class Aim:
    """One figure of one server."""

    kind: str  # parity, rival, p99, idle bytes, instructions, calls, bulk
    title: str
    limit: float
    server: str
    figure: Ratio | float | None
    scope: str = ""  # which part of the title's rows: empty for all
    rows: list = field(default_factory=list)  # text and figure of each
    floor: Ratio | float | None = None  # the same of the better floor

    def verdict(self):
        return verdict_of(self.figure, self.limit)

    def text_of(self, figure):
        if isinstance(figure, Ratio):
            return ratio_text(figure)
        return "failed" if figure is None else f"{figure:,.{3 if self.limit < 1 else 0}f}"

    def figure_text(self):
        return self.text_of(self.figure)

    def floor_verdict(self):
        return verdict_of(self.floor, self.limit)

    def floor_text(self):
        return f"{self.text_of(self.floor)}: {self.floor_verdict()}" if self.floor else ""

    def rows_text(self):
        """How many rows hold, fail, and so on."""
        counts = Counter(verdict_of(figure, self.limit) for _, figure in self.rows)
        return ", ".join(f"{counts[verdict]} {word}" for verdict, word in VERDICTS.items()
                         if counts[verdict])

    def failing(self):
        return [(text, figure) for text, figure in self.rows
                if verdict_of(figure, self.limit) == "fails"]

    def worst(self):
        """The row that is the furthest from the limit, as text and figure."""
        return max(self.rows, key=lambda row: value_of(row[1]), default=None)


def aim_of_rows(kind, title, limit, server, rows, references, text_of=case_text,
                field_name="cpu_ns", scope="", floors=()):
    """Over the rows, to the better of the references in each."""
    named = [(text_of(row), ratio_of(row, field_name, server, references)) for row in rows]
    named = [(text, ratio) for text, ratio in named if ratio]
    return Aim(kind, title, limit, server, mean_of(rows, field_name, server, references), scope,
               named, floor_mean_of(rows, field_name, floors, references) if floors else None)


# ---- Of the table


def spoken(name):
    """A server in a sentence."""
    return TITLES[name].replace(", ", " on ")


def parity_aims(table, closely):
    """closely: the table of some of these servers in more rounds, or None."""
    near = names_of(closely, "weir") if closely else []
    for server in [*near, *(name for name in names_of(table, "weir") if name not in near)]:
        yield from parity_aims_of(closely if server in near else table, server)


def parity_aims_of(table, server):
    floors = claims_of(table, server)
    for scope, some in scopes_of(table["rows"]) if floors else ():
        yield aim_of_rows("parity", PARITY_TITLE, PARITY, server, some, floors, scope=scope)


def sizes_of(rows):
    return sorted({row["size"] for row in rows})


def scope_of(size):
    return f"{size:,} bytes"


def scopes_of(rows):
    """All rows, and those of each size if there are several."""
    sizes = sizes_of(rows)
    yield "", rows
    for size in sizes if len(sizes) > 1 else ():
        yield scope_of(size), [row for row in rows if row["size"] == size]


def on_uring(table):
    """The servers that are compared with the floors on io_uring."""
    return [server for server in names_of(table, "weir")
            if set(claims_of(table, server)) & set(FLOORS)]


def rival_aims(table):
    for client, limit, rivals in RIVAL_LIMITS:
        rows = [row for row in table["rows"]
                if row["client"] == client and row["connections"] >= RIVAL_CONNECTIONS_MIN]
        for rival in [rival for rival in rivals if rows and rival in names_of(table)]:
            title = (f"CPU a message, to {spoken(rival)}, client on {CLIENTS[client]},"
                     f" from {RIVAL_CONNECTIONS_MIN} connections up")
            for server in on_uring(table):
                for scope, some in scopes_of(rows):
                    yield aim_of_rows("rival", title, limit, server, some, [rival], scope=scope,
                                      floors=claims_of(table, server))


def p99_aims(table):
    """The geometric mean over the table, no worse than that of the best peer."""
    best = best_peer(table, "p99_us")
    for server in names_of(table, "weir") if best else ():
        title = f"p99, the mean of all rows, to the best peer's: {spoken(best)}"
        yield aim_of_rows("p99", title, 1, server, table["rows"], [best], field_name="p99_us",
                          floors=claims_of(table, server))


def least_of(counts, floors):
    return min((counts[floor] for floor in floors if floor in counts), default=None)


def count_aims(table, counts):
    for name, (title, limit) in COUNT_LIMITS.items():
        of = counts.get(name, {})
        for server in [server for server in names_of(table, "weir") if server in of]:
            yield Aim(name, title, limit, server, of[server],
                      floor=least_of(of, claims_of(table, server)))


def calls_named(rows, server):
    """The system calls a message of each row in which they were counted."""
    named = [(case_text(row), row["calls"].get(server)) for row in rows]
    return [(text, calls) for text, calls in named if calls is not None]


def calls_median(rows, server):
    counts = [calls for _, calls in calls_named(rows, server)]
    return statistics.median(counts) if counts else None


def calls_rows(table):
    return [row for row in table["rows"] if row["connections"] >= CALLS_CONNECTIONS_MIN]


def calls_aims(table):
    """On io_uring; on epoll a call moves one message at most."""
    title = (f"system calls a message, from {CALLS_CONNECTIONS_MIN} connections up, the median of"
             " the rows")
    for server in on_uring(table):
        for scope, some in scopes_of(calls_rows(table)):
            medians = {name: calls_median(some, name) for name in names_of(table)}
            medians = {name: median for name, median in medians.items() if median is not None}
            if server in medians:
                yield Aim("calls", title, CALLS_LIMIT, server, medians[server], scope,
                          calls_named(some, server), least_of(medians, claims_of(table, server)))


# ---- Of the bulk transfer


def transfer_text(row):
    place = CLIENTS[row["client"]]
    return f"{TRANSFERS[row['direction']]}, client on {place}, {row['size']:,} bytes"


def bulk_aims(bulk):
    for direction, doing in TRANSFERS.items():
        rows = [row for row in bulk["rows"] if row["direction"] == direction]
        for field_name, title in TRANSFER_FIELDS.items():
            for server in names_of(bulk, "weir") if rows else ():
                yield aim_of_rows("bulk", f"bulk, {doing}: {title} a byte, to the better raw loop",
                                  PARITY, server, rows, claims_of(bulk, server), transfer_text,
                                  field_name)


# ---- All


def counted(rows, name):
    return {row["server"]: row[name] for row in rows or () if name in row}


def counts_of(results):
    """What was counted, by title and server."""
    return {
        "idle bytes": counted(results.get("idle"), "bytes_64"),
        "with 16 KiB": counted(results.get("idle"), "bytes_16384"),
        "instructions": counted(results.get("instructions"), "instructions"),
    }


def aims_of(results):
    """In the order in which they are told; of each title all servers together."""
    aims, counts = [], counts_of(results)
    if results.get("table"):
        table = results["table"]
        aims += [*parity_aims(table, results.get("parity")), *rival_aims(table), *p99_aims(table)]
        aims += [*count_aims(table, counts), *calls_aims(table)]
    return aims + (list(bulk_aims(results["bulk"])) if results.get("bulk") else [])


def aims_show(aims):
    print("Aims: what holds does so up to its upper bound\n")
    title = None
    for aim in aims:
        if aim.title != title:
            print(f"  {aim.title}, below {aim.limit}")
            title = aim.title
        scope = f", {aim.scope}" if aim.scope else ""
        rows = f"; of {len(aim.rows)} rows {aim.rows_text()}" if aim.rows else ""
        print(f"    {aim.server}{scope}: {aim.figure_text()}: {aim.verdict()}{rows}")
        if aim.floor:
            print(f"      the better floor: {aim.floor_text()}")
        for text, figure in aim.failing() if not aim.scope else ():
            print(f"      fails: {text}: {aim.text_of(figure)}")
