# SPDX-License-Identifier: MIT
"""The command line of ci/bench, and the parameters that come of it."""

import argparse
import os
import random
from pathlib import Path

from machine import Others
from sample import Bench, built, programs_check
from servers import BY_NAME, SERVERS

ROOT = Path(__file__).resolve().parent.parent.parent


def arguments_parse(description, blocks, whole, quick):
    """blocks: names of the tables; whole: those of a usual run; quick: of a trial."""
    parser = argparse.ArgumentParser(prog="ci/bench", description=description)
    option, names = parser.add_argument, [server.name for server in SERVERS]
    option("--only", choices=blocks, nargs="+", help="just these tables")
    option("--servers", choices=names, nargs="+", metavar="NAME",
           help=f"just these, instead of all that are built: {', '.join(names)}")
    option("--clients", choices=("other", "same"), nargs="+", default=("other", "same"),
           help="core of the client, seen from the server")
    option("--connections", type=int, nargs="+", help="1 8 64 256 1000")
    option("--sizes", type=int, nargs="+", help="bytes a message: 64 1024 16384")
    option("--cores", type=int, nargs=2, metavar=("SERVER", "OTHER"),
           help="where servers run, and clients on the other core (the last, the first)")
    option("--rounds", type=int, help="rounds of every comparison (5, fewer decide nothing)")
    option("--minutes", type=float, default=0,
           help="more rounds of table, paced, bulk, suite, each as long as they fit into so many")
    option("--seconds", type=float, help="measured window of a round (0.4)")
    option("--quick", action="store_true",
           help="2 rounds of 0.2 s, 1 and 64 connections of 64 bytes: a trial, not a result")
    option("--bin", type=Path, default=ROOT / "build" / "bin", help="where the programs are")
    option("--results", type=Path, default=ROOT / "bench-results", help="where the JSON goes")
    option("--show", type=Path, nargs="+", metavar="FILE",
           help="print the tables of earlier runs again, a block from the last that has it")
    option("--markdown", choices=("summary", "figures", "native"),
           help="with --show: what stands between the markers of README.md, of docs/figures.md, of"
                " docs/guide/08-native.md")
    option("--publish", action="store_true", help="with --show: put it there, in all of them")
    arguments = parser.parse_args()
    defaults_set(arguments, whole, quick)
    if arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error("at least 1 round of more than 0 seconds")
    if arguments.cores and not set(arguments.cores) <= os.sched_getaffinity(0):
        parser.error(f"--cores: those that may be used are {sorted(os.sched_getaffinity(0))}")
    if (arguments.markdown or arguments.publish) and not arguments.show:
        parser.error("--markdown and --publish are of an earlier run: --show FILE")
    return arguments


def defaults_set(arguments, whole_blocks, quick_blocks):
    """What was not said; a trial is small."""
    quick = arguments.quick
    arguments.only = arguments.only or (quick_blocks if quick else whole_blocks)
    arguments.connections = arguments.connections or ((1, 64) if quick else (1, 8, 64, 256, 1000))
    arguments.sizes = arguments.sizes or ((64,) if quick else (64, 1024, 16384))
    arguments.rounds = arguments.rounds or (2 if quick else 5)
    arguments.seconds = arguments.seconds or (0.2 if quick else 0.4)


def servers_of(arguments):
    """Those that were named, or all that are built."""
    if arguments.servers:
        programs_check(arguments.bin, {BY_NAME[name].program() for name in arguments.servers})
        return tuple(BY_NAME[name] for name in arguments.servers)
    return built(arguments.bin, SERVERS)


def bench_make(arguments, keep):
    """keep: what is called with each table, as far as it has been measured."""
    cores = arguments.cores or sorted(os.sched_getaffinity(0), reverse=True)
    server_cpu, client_cpu = cores[0], cores[-1]
    clients = arguments.clients if server_cpu != client_cpu else ("same",)
    return Bench(
        programs=arguments.bin,
        servers=servers_of(arguments),
        clients=tuple(clients),
        connections=tuple(arguments.connections),
        sizes=tuple(arguments.sizes),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warmup=min(0.2, arguments.seconds),
        server_cpu=server_cpu,
        client_cpu=client_cpu,
        random=random.Random(),
        minutes=arguments.minutes,
        keep=keep,
        look=Others(patience=0) if arguments.quick else Others(),
    )
