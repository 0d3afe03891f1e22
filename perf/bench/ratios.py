# SPDX-License-Identifier: MIT
"""A table as it was measured, read: servers, rows, and the ratios of a row to its better floor.

A table is a plain value, as it is written to the results: servers, and rows whose samples stand by
server, one a round, None where it failed.
"""

from sample import Case
from servers import FLOORS
from stats import Ratio, best_of, geometric_mean, paired

MORE_IS_BETTER = {"rate"}  # of the fields of a sample; the others are costs


def case_of(row):
    return Case(row["client"], row["connections"], row["size"], row["client_spins"],
                row.get("rate", 0))


def names_of(table, kind=None):
    return [server["name"] for server in table["servers"] if kind in (None, server["kind"])]


def floors_of(table, wanted=FLOORS):
    """Those that were measured; without one, other floors or the first server stand in."""
    names = names_of(table)
    return [floor for floor in wanted if floor in names] or names_of(table, "floor") or names[:1]


def claims_of(table, name):
    """The floors that this server claims to cost no more than, if they were measured."""
    server = next(server for server in table["servers"] if server["name"] == name)
    return [floor for floor in server["claims"] if floor in names_of(table)]


def floor_of(row, field, floors):
    return best_of(row["samples"], field, floors, largest=field in MORE_IS_BETTER)


def ratios(row, field, server, floors):
    """To the better of the floors in this row, round by round."""
    floor = floor_of(row, field, floors)
    return paired(row["samples"], field, server, floor) if floor else []


def ratio_of(row, field, server, floors):
    return Ratio.of(ratios(row, field, server, floors))


def ratios_or_none(row, field, server, floors):
    """As many as there were rounds."""
    floor = floor_of(row, field, floors)
    if floor is None:
        return []
    pairs = zip(row["samples"][server], row["samples"][floor])
    return [mine[field] / other[field] if mine and other else None for mine, other in pairs]


def mean_of(rows, field, server, floors):
    """The geometric mean over rows, with its interval over the rounds."""
    columns = [ratios_or_none(row, field, server, floors) for row in rows]
    return geometric_mean([column for column in columns if column])


def floor_mean_of(rows, field, floors, references):
    """The same of the better floor of each row, to the better of the references."""
    best = [(row, floor_of(row, field, floors)) for row in rows]
    columns = [ratios_or_none(row, field, floor, references) for row, floor in best if floor]
    return geometric_mean([column for column in columns if column])


def best_peer(table, field):
    """The peer whose mean over the table is the lowest, or None."""
    means = {peer: mean_of(table["rows"], field, peer, floors_of(table))
             for peer in names_of(table, "peer")}
    means = {peer: mean.median for peer, mean in means.items() if mean}
    return min(means, key=means.get, default=None)
