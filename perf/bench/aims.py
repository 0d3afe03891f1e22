# SPDX-License-Identifier: MIT
"""What weir holds itself to, as values: a figure, its limit and a verdict each.

A timed figure is a geometric mean over rows, and holds if it does so up to its upper bound; beside
it stands how many single rows hold. A counted figure is a number.
"""

from collections import Counter
from dataclasses import dataclass, field

from ratios import best_peer, case_of, claims_of, mean_of, names_of, ratio_of
from sample import CLIENTS
from servers import FLOORS, TITLES
from stats import PARITY, Ratio, ratio_text

PARITY_TITLE = "CPU a message, to the better floor of the same kernel interface"

# What a server on io_uring is to cost beside its peers, from so many connections up.
RIVALS = ("libuv", "asio-coroutines-epoll")
RIVAL_CONNECTIONS_MIN = 64
RIVAL_LIMITS = {"same": 0.75, "other": 0.90}
COUNT_LIMITS = {
    "idle bytes": ("resident bytes of an idle connection", 512),
    "instructions": ("user instructions a message of 64 bytes", 350),
}
VERDICTS = {"holds": "hold", "undecided": "undecided", "fails": "fail", "too few": "of too few"}
TRANSFERS = {"send": "sending", "receive": "receiving"}
TRANSFER_FIELDS = {"cpu_ns": "CPU", "wall_ns": "time"}


@dataclass(frozen=True)
class Aim:
    """One figure of one server."""

    title: str
    limit: float
    server: str
    figure: Ratio | float | None
    scope: str = ""  # which part of the title's rows: empty for all
    rows: list = field(default_factory=list)  # text and ratio of each

    def verdict(self):
        if self.figure is None:
            return "failed"
        if isinstance(self.figure, Ratio):
            return self.figure.verdict(self.limit)
        return "holds" if self.figure < self.limit else "fails"

    def figure_text(self):
        if isinstance(self.figure, Ratio):
            return ratio_text(self.figure)
        return "failed" if self.figure is None else f"{self.figure:,.0f}"

    def rows_text(self):
        """How many rows hold, fail, and so on."""
        counts = Counter(ratio.verdict(self.limit) for _, ratio in self.rows)
        return ", ".join(f"{counts[verdict]} {word}" for verdict, word in VERDICTS.items()
                         if counts[verdict])

    def failing(self):
        return [(text, ratio) for text, ratio in self.rows if ratio.verdict(self.limit) == "fails"]


def aim_of_rows(title, limit, server, rows, references, text_of, field_name="cpu_ns", scope=""):
    """Over the rows, to the better of the references in each."""
    named = [(text_of(row), ratio_of(row, field_name, server, references)) for row in rows]
    named = [(text, ratio) for text, ratio in named if ratio]
    return Aim(title, limit, server, mean_of(rows, field_name, server, references), scope, named)


def case_text(row):
    return case_of(row).text()


# ---- Of the table


def spoken(name):
    """A server in a sentence."""
    return TITLES[name].replace(", ", " on ")


def parity_aims(table):
    for server in names_of(table, "weir"):
        floors = claims_of(table, server)
        for scope, some in scopes_of(table["rows"]) if floors else ():
            yield aim_of_rows(PARITY_TITLE, PARITY, server, some, floors, case_text, scope=scope)


def scopes_of(rows):
    """All rows, and those of each size if there are several."""
    sizes = sorted({row["size"] for row in rows})
    yield "", rows
    for size in sizes if len(sizes) > 1 else ():
        yield f"{size:,} bytes", [row for row in rows if row["size"] == size]


def rival_aims(table):
    servers = [server for server in names_of(table, "weir")
               if set(claims_of(table, server)) & set(FLOORS)]
    for client, limit in RIVAL_LIMITS.items():
        rows = [row for row in table["rows"]
                if row["client"] == client and row["connections"] >= RIVAL_CONNECTIONS_MIN]
        for rival in [rival for rival in RIVALS if rows and rival in names_of(table)]:
            title = (f"CPU a message, to {spoken(rival)}, client on {CLIENTS[client]},"
                     f" from {RIVAL_CONNECTIONS_MIN} connections up")
            for server in servers:
                for scope, some in scopes_of(rows):
                    yield aim_of_rows(title, limit, server, some, [rival], case_text, scope=scope)


def p99_aims(table):
    """The geometric mean over the table, no worse than that of the best peer."""
    best = best_peer(table, "p99_us")
    for server in names_of(table, "weir") if best else ():
        mean = mean_of(table["rows"], "p99_us", server, [best])
        title = f"p99, the mean of all rows, to the best peer's: {spoken(best)}"
        yield Aim(title, 1, server, mean)


def count_aims(table, counts):
    for name, (title, limit) in COUNT_LIMITS.items():
        for server in names_of(table, "weir"):
            if server in counts.get(name, {}):
                yield Aim(title, limit, server, counts[name][server])


# ---- Of the bulk transfer


def transfer_text(row):
    place = CLIENTS[row["client"]]
    return f"{TRANSFERS[row['direction']]}, client on {place}, {row['size']:,} bytes"


def bulk_aims(bulk):
    for direction, doing in TRANSFERS.items():
        rows = [row for row in bulk["rows"] if row["direction"] == direction]
        for field_name, title in TRANSFER_FIELDS.items():
            for server in names_of(bulk, "weir") if rows else ():
                yield aim_of_rows(f"bulk, {doing}: {title} a byte, to the better raw loop", PARITY,
                                  server, rows, claims_of(bulk, server), transfer_text, field_name)


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
        aims += [*parity_aims(table), *rival_aims(table), *p99_aims(table)]
        aims += count_aims(table, counts)
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
        for text, ratio in aim.failing() if not aim.scope else ():
            print(f"      fails: {text}: {ratio_text(ratio)}")
