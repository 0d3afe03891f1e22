# SPDX-License-Identifier: MIT
"""Made-up samples for perf/bench/self_test, and what is printed of them."""

import contextlib
import io

from servers import BULKS, BY_NAME

COUNTS = {"idle bytes": {"weir-uring": 500, "libuv": 300}, "instructions": {"weir-uring": 351}}
IDLE = [{"server": "weir-uring", "bytes_64": 500, "bytes_16384": 700},
        {"server": "libuv", "bytes_64": 300, "bytes_16384": 300}]
INSTRUCTIONS = [{"server": "weir-uring", "instructions": 351}, {"server": "libuv", "failed": "so"}]
MACHINE = {"time": "2026-01-31 12:00:00 +0000", "kernel": "Linux 6.1-of-here", "cpu": "a CPU",
           "cores": 2, "virtual": True, "busy_before": 0.0}

# By server, and round by round.
COSTS = {
    "weir-uring": [1000, 1001, 1002, 1003, 1004],
    "raw-uring": [1000, 1000, 1000, 1000, 1000],
    "raw-multishot": [1100, 1100, 1100, 1100, 1100],
    "libuv": [1400, 1400, 1400, 1400, 1500],
    "asio-coroutines-epoll": [1100, 1100, 1000, 1200, 1000],
}


def sample(cost):
    return {"rate": 1e9 / cost, "cpu_ns": cost, "p50_us": cost / 10, "p99_us": cost / 5}


def table_of(costs, connections=64, sizes=(64,)):
    """One row a client and size; costs by server, or None where it failed."""
    names = list(costs)
    rows = [
        {"client": client, "connections": connections, "size": size, "client_spins": False,
         "calls": {names[0]: 2.0},
         "samples": {name: [value and sample(value) for value in costs[name]] for name in names}}
        for client in ("other", "same") for size in sizes
    ]
    servers = [BY_NAME[name].__dict__ for name in names]
    return {"rounds": 5, "seconds": 0.4, "servers": servers, "rows": rows, "failures": []}


def paced_of(costs):
    """The same at a rate."""
    paced = table_of(costs)
    return {**paced, "rows": [{**row, "rate": 30000, "calls": {}} for row in paced["rows"]]}


def transfer(cost, cpu):
    return {"rate": 1e9 / cost, "wall_ns": cost, "cpu_ns": cpu}


def bulk_of(times, cpus):
    """A row a direction; the nanoseconds of a MiB by server, round by round."""
    samples = {name: [value and transfer(value, cpu) for value, cpu in zip(times[name], cpus[name])]
               for name in times}
    rows = [{"client": "same", "direction": direction, "size": 65536, "samples": samples}
            for direction in ("send", "receive")]
    servers = [server.__dict__ for server in BULKS if server.name in times]
    return {"rounds": 5, "seconds": 0.4, "servers": servers, "rows": rows,
            "failures": ["libuv, a transfer: it ended"]}


def suite_of():
    rates = {"weir-uring": 2e6, "weir-epoll": 1e6, "asio-uring": 1e6, "asio-epoll": 1e6}
    row = {name: [{"rate": rate, "unit": "tasks"}] * 5 for name, rate in rates.items()}
    gone = {**row, "asio-uring": [None] * 5}
    slow = {**row, "weir-epoll": [{"rate": 5e5, "unit": "bytes"}] * 5}
    return {"rounds": 5, "seconds": 0.4,
            "samples": {"post/100": row, "post/1000": gone, "throughput/1024": slow},
            "failures": ["asio-uring, post/1000: did not end"]}


def printed(*shows):
    """A function of a value: what all of these print of it."""

    def show(value):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            for each in shows:
                each(value)
        return out.getvalue()

    return show
