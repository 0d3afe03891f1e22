# SPDX-License-Identifier: MIT
"""Why an aim does not hold, as far as what was measured says it: a sentence or two a kind."""

from aims import calls_median, calls_rows, counts_of
from ratios import claims_of, mean_of
from sample import CLIENTS
from servers import BULK_TITLES, TITLES, TWINS
from stats import ratio_text

MISSED = ("fails", "undecided")
WORST_TITLES = {
    "parity": "CPU a message, to the better floor",
    "p99": "p99, to the best peer's",
    "bulk": "Bulk transfers",
}


def reasons(results, aims):
    """Of these aims; those of a part of the rows are told by that of all."""
    missed = {}
    for aim in aims:
        if not aim.scope and aim.verdict() in MISSED:
            missed.setdefault(aim.kind, []).append(aim)
    for kind, some in missed.items():
        reason = REASONS[kind](results, some)
        if reason:
            yield reason


def title_of_aim(aim):
    return (BULK_TITLES if aim.kind == "bulk" else TITLES)[aim.server]


# ---- Of ratios


def worst_reason(_, aims):
    """The row of each server that is the furthest away."""
    worst = {}
    for aim in [aim for aim in aims if aim.rows]:
        text, ratio = aim.worst()
        if aim.server not in worst or ratio.median > worst[aim.server][1].median:
            worst[aim.server] = text, ratio, title_of_aim(aim)
    texts = [f"{title}: {ratio_text(ratio)}, {text}" for text, ratio, title in worst.values()]
    return f"{WORST_TITLES[aims[0].kind]}, the rows furthest away. {'; '.join(texts)}."


def bulk_reason(results, aims):
    """And what the system call that is waited for costs, whoever makes it."""
    rows = results["bulk"]["rows"]
    texts = []
    for server in dict.fromkeys(aim.server for aim in aims):
        for floor in claims_of(results["bulk"], server):
            ratio = mean_of(rows, "cpu_ns", server, (floor,))
            if ratio:
                texts.append(f"{BULK_TITLES[server]}, to {BULK_TITLES[floor]}:"
                             f" {ratio_text(ratio)}")
    text = worst_reason(results, aims)
    return f"{text} CPU a MiB, all rows. {'; '.join(texts)}." if texts else text


def rival_reason(results, aims):
    floors = [aim for aim in aims if aim.floor and aim.floor_verdict() in MISSED]
    text = (f"CPU a message, to libuv and Asio: of the {len(aims)} figures that do not hold for"
            f" weir, {len(floors)} do not hold for the better floor by hand either.")
    share = kernel_text(results, claims_of(results["table"], aims[0].server))
    return f"{text} {share}" if floors and share else text


def kernel_text(results, floors):
    """How much of a floor's message is not its own code."""
    shares = [row["user"] for row in results.get("instructions") or ()
              if row["server"] in floors and "user" in row]
    if not shares:
        return ""
    return (f"Of the floors' processor time for messages of 64 bytes the kernel has about"
            f" {100 - 100 * max(shares):.0f} %, by its ticks (calls, TCP, copies), which is the"
            " same for all.")


# ---- Of counts


def instructions_reason(results, aims):
    counts = counts_of(results)["instructions"]
    floors = dict.fromkeys(floor for aim in aims
                           for floor in claims_of(results["table"], aim.server))
    by_hand = [f"{counts[floor]:,.0f} ({TITLES[floor]})" for floor in floors if floor in counts]
    added = [f"{TITLES[aim.server]} adds {aim.figure - counts[TWINS[aim.server]]:,.0f}"
             for aim in aims if TWINS[aim.server] in counts]
    if not added:
        return ""
    return (f"Instructions: the floors take {', '.join(by_hand)}. To the one that receives in the"
            f" same way {', '.join(added)}.")


def idle_reason(results, aims):
    frames = {row["server"]: row.get("frame") for row in results["idle"]}
    texts = []
    for aim in aims:
        frame = frames.get(aim.server)
        if frame and frame < aim.figure:
            texts.append(f"{TITLES[aim.server]}: the session's struct has {frame:,}, what is kept"
                         f" beside it {aim.figure - frame:,.0f}")
        elif frame:
            texts.append(f"{TITLES[aim.server]}: the receive buffer is in the session's struct,"
                         f" {frame:,} bytes, whose touched pages count")
    return f"Resident bytes of an idle connection. {'; '.join(texts)}." if texts else ""


def calls_reason(results, aims):
    """By place of the client: on the same core more is ready at a time."""
    rows = calls_rows(results["table"])
    texts = []
    for aim in aims:
        parts = []
        for client in dict.fromkeys(row["client"] for row in rows):
            some = [row for row in rows if row["client"] == client]
            both = [calls_median(some, name) for name in (aim.server, TWINS[aim.server])]
            if None not in both:
                parts.append(f"{both[0]:.3f} ({both[1]:.3f}) with the client on {CLIENTS[client]}")
        texts += [f"{TITLES[aim.server]}: {', '.join(parts)}"] if parts else []
    return ("System calls (and those of the floor that receives in the same way): the fewer"
            f" messages are ready at a time, the more. {'; '.join(texts)}.") if texts else ""


REASONS = {"parity": worst_reason, "rival": rival_reason, "p99": worst_reason,
           "idle bytes": idle_reason, "instructions": instructions_reason, "calls": calls_reason,
           "bulk": bulk_reason}
