# SPDX-License-Identifier: MIT
"""The table: every server, load and place of the client, as ratios to the floor.

What is measured is a plain value, as it is written to the results, and what is printed comes from
that alone: `ci/bench --show FILE` prints it again.
"""

from dataclasses import asdict

from bench_process import BenchError
from bench_sample import (
    CLIENTS,
    Case,
    calls_can_be_counted,
    calls_count,
    heading,
    progress,
    samples_take,
)
from bench_servers import FLOORS
from bench_stats import (
    PARITY,
    Ratio,
    best_of,
    geometric_mean,
    interval_coverage,
    interval_rank,
    median_of,
    paired,
)

# Field of a sample, how it is called, what a printed unit is, digits, whether more is better.
FIELDS = (
    ("rate", "thousand messages/s", 1000, 1, True),
    ("cpu_ns", "CPU a message, ns", 1, 0, False),
    ("p50_us", "p50, us", 1, 1, False),
    ("p99_us", "p99, us", 1, 1, False),
)
MORE_IS_BETTER = {field: more for field, *_, more in FIELDS}
CELL = 28
NAME = 25
COUNT = 14

# What a server on io_uring is to cost beside its peers, from so many connections up.
RIVALS = ("libuv", "asio-coroutines-epoll")
RIVAL_CONNECTIONS_MIN = 64
RIVAL_LIMITS = {"same": 0.75, "other": 0.90}
COUNT_LIMITS = {"idle bytes": 512, "instructions": 350}


# ---- Measuring


def table_measure(bench, contenders, cases, counting=True):
    samples, failures = samples_take(bench, contenders, cases)
    counts = {}
    if counting and calls_can_be_counted():
        counts = calls_measure(bench, contenders, cases, failures)
    return {
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "servers": [asdict(contender) for contender in contenders],
        "rows": [
            {**asdict(case), "samples": samples[case], "calls": counts.get(case, {})}
            for case in cases
        ],
        "failures": failures,
    }


def calls_measure(bench, contenders, cases, failures):
    counts = {}
    for case in cases:
        counts[case] = {}
        for contender in contenders:
            progress(f"system calls: {contender.name}, {case.text()}")
            try:
                counts[case][contender.name] = calls_count(bench, contender, case)
            except BenchError as error:
                failures.append(f"{contender.name}, {case.text()}: {error}")
    progress("")
    return counts


# ---- Reading what was measured


def case_of(row):
    return Case(row["client"], row["connections"], row["size"], row["client_spins"])


def names_of(table, kind=None):
    return [server["name"] for server in table["servers"] if kind in (None, server["kind"])]


def floors_of(table, wanted=FLOORS):
    """Those that were measured; without one, other floors or the first server stand in."""
    names = names_of(table)
    return [floor for floor in wanted if floor in names] or names_of(table, "floor") or names[:1]


def floor_of(row, field, floors):
    return best_of(row["samples"], field, floors, largest=MORE_IS_BETTER[field])


def ratios(row, field, server, floors):
    """To the better of the floors in this row, round by round."""
    floor = floor_of(row, field, floors)
    return paired(row["samples"], field, server, floor) if floor else []


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


# ---- Printing


def interval_text(ratio):
    return f"{ratio.low:.2f}-{ratio.high:.2f}"


def ratio_text(ratio):
    if ratio is None:
        return "failed"
    return f"{ratio.median:.3f} ({interval_text(ratio)})"


def cell_text(row, field, scale, digits, server, floors):
    median = median_of(row["samples"], field, server)
    if median is None:
        return f"{'failed':>9}".ljust(CELL)
    value = f"{median / scale:9,.{digits}f}"
    if server == floor_of(row, field, floors):
        return f"{value}  1".ljust(CELL)
    ratio = Ratio.of(ratios(row, field, server, floors))
    if ratio is None:
        return value.ljust(CELL)
    mark = "?" if ratio.is_undecided() else ""
    return f"{value} {ratio.median:5.2f} {interval_text(ratio)}{mark}".ljust(CELL)


def row_show(table, row):
    floors = floors_of(table)
    titles = "".join(f"  {title:<{CELL - 2}}" for _, title, *_ in FIELDS)
    print(f"  {case_of(row).text()}")
    print(f"    {'':<{NAME}}{titles}calls")
    for server in names_of(table):
        cells = "".join(
            cell_text(row, field, scale, digits, server, floors)
            for field, _, scale, digits, _ in FIELDS
        )
        calls = row["calls"].get(server)
        print(f"    {server:<{NAME}}{cells}{'' if calls is None else f'{calls:5.2f}'}".rstrip())
    print()


def table_heading(table, title):
    rounds = table["rounds"]
    coverage = 100 * interval_coverage(rounds, interval_rank(rounds))
    heading(
        title,
        f"medians of {rounds} interleaved rounds of {table['seconds']:g} s; then the ratio to the"
        f" best of {', '.join(floors_of(table))} in that column,",
        f"round by round, and the interval that covers its median with {coverage:.1f} % (order"
        " statistics); calls: system calls a message;",
        "?: undecided, for the interval is wider than the distance from 1",
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
    ratio = Ratio.of(ratios(row, "cpu_ns", server, floors))
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


# ---- Aims


def aim_rows_show(server, rows, limit, references):
    """How many rows hold, which do not, and what they say together."""
    named = [(row, Ratio.of(ratios(row, "cpu_ns", server, references))) for row in rows]
    named = [(row, ratio) for row, ratio in named if ratio]
    verdicts = [ratio.verdict(limit) for _, ratio in named]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts)))
    mean = mean_of(rows, "cpu_ns", server, references)
    print(f"    {server}: of {len(named)} rows {counts}; together {ratio_text(mean)}")
    for (row, ratio), verdict in zip(named, verdicts):
        if verdict == "fails":
            print(f"      fails: {case_of(row).text()}: {ratio_text(ratio)}")


def aim_parity_show(table):
    print(f"  CPU a message, below {PARITY} of the better floor of the same kernel interface")
    for server in table["servers"]:
        floors = [floor for floor in server["claims"] if floor in names_of(table)]
        if floors:
            aim_rows_show(server["name"], table["rows"], PARITY, floors)


def aim_rivals_show(table):
    servers = [server["name"] for server in table["servers"]
               if server["kind"] == "weir" and set(server["claims"]) & set(FLOORS)]
    for client, limit in RIVAL_LIMITS.items():
        rows = [row for row in table["rows"]
                if row["client"] == client and row["connections"] >= RIVAL_CONNECTIONS_MIN]
        for rival in [rival for rival in RIVALS if rows and rival in names_of(table)]:
            print(f"  CPU a message, below {limit} of {rival}, client on {CLIENTS[client]},"
                  f" from {RIVAL_CONNECTIONS_MIN} connections up")
            for server in servers:
                aim_rows_show(server, rows, limit, [rival])


def aim_p99_show(table):
    """The geometric mean over the table, no worse than that of the best peer."""
    peers, rows = names_of(table, "peer"), table["rows"]
    means = {peer: mean_of(rows, "p99_us", peer, floors_of(table)) for peer in peers}
    means = {peer: mean for peer, mean in means.items() if mean}
    if not means:
        return
    best = min(means, key=lambda peer: means[peer].median)
    print(f"  p99, as the geometric mean over the table, below 1 of the best peer's, {best}")
    for server in names_of(table, "weir"):
        mean = mean_of(rows, "p99_us", server, [best])
        print(f"    {server}: {ratio_text(mean)}: {mean.verdict(1) if mean else 'failed'}")


def aim_count_show(title, counts, limit, servers):
    print(f"  {title}, below {limit}")
    for server in servers:
        if server in counts:
            verdict = "holds" if counts[server] < limit else "fails"
            print(f"    {server}: {counts[server]:,.0f}: {verdict}")


def aims_show(table, counts):
    print("Aims: what holds does so up to its upper bound\n")
    aim_parity_show(table)
    aim_rivals_show(table)
    aim_p99_show(table)
    for title, limit in COUNT_LIMITS.items():
        if counts.get(title):
            aim_count_show(title, counts[title], limit, names_of(table, "weir"))
