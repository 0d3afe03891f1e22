# SPDX-License-Identifier: MIT
"""Of perf/bench/self_test: aims, bulk transfers, the suite, the file of a run, documents."""

import io
import json
import re
import shutil
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path

from aims import aims_of, aims_show
from bulk import bulk_show, move
from documents import BEGIN, END, FILES, figures, publish, replaced
from fixtures import (
    COSTS,
    IDLE,
    INSTRUCTIONS,
    MACHINE,
    bulk_of,
    paced_of,
    printed,
    suite_of,
    table_of,
)
from machine import versions
from markdown import rounds_text, size_text
from paced import paced_show
from process import BenchError
from reasons import reasons
from results import Results, results_read
from stats import Ratio
from suite import suite_show, time_text
from summary import summary

BULK_TIMES = {"weir-uring": [101, 102, 101, 102, 101], "weir-epoll": [120] * 5,
              "blocking": [100] * 5, "raw-uring": [110] * 5, "libuv": [None] * 5}


def results_of(table=None, bulk=None):
    return {"machine": MACHINE, "table": table or table_of(COSTS), "idle": IDLE,
            "instructions": INSTRUCTIONS, "bulk": bulk or bulk_of(BULK_TIMES, BULK_TIMES),
            "suite": suite_of()}


def results_with_natives():
    costs = {**COSTS, "weir-uring-own": [1000] * 5, "weir-native": [800] * 5,
             "weir-native-own": [900] * 5}
    counts = {"weir-uring": 350, "weir-uring-own": 340, "weir-native": 320, "weir-native-own": 300}
    return {**results_of(table_of(costs)), "instructions": [
        {"server": name, "instructions": count} for name, count in counts.items()]}


def aims_text(table):
    return printed(lambda results: aims_show(aims_of(results)))(results_of(table))


class Aims(unittest.TestCase):
    def test_those_of_the_table(self):
        text = aims_text(table_of(COSTS))
        self.assertRegex(text, r"better floor[^\n]*1\.03\n    weir-uring: 1\.00.*: holds; of 2 rows"
                               r" 2 hold\n")
        self.assertRegex(text, r"to libuv, client on the same core, from 64 connections up, below"
                               r" 0\.75\n    weir-uring: 0\.71.*: holds; of 1 rows 1 hold\n")
        self.assertRegex(text, r"to Asio coroutines on epoll, client on the same .*0\.75\n    weir-"
                               r"uring: 0\.9.*: fails; of 1 rows 1 fail\n      the better floor: "
                               r"0\.9.*: fails\n      fails: client on the same core, 64 x 64 ")
        self.assertRegex(text, r"best peer's: Asio coroutines on epoll, below 1\n"
                               r"    weir-uring: 0\.9.*: undecided; of 2 rows 2 undecided\n")

    def test_parity_is_judged_by_more_rounds_if_there_are(self):
        closely = {name: [*COSTS[name]] * 2 for name in ("weir-uring", "raw-uring")}
        closely["weir-uring"] = [1200] * 10
        costs = {**COSTS, "weir-epoll": [1000] * 5, "raw-epoll": [1000] * 5}
        results = {**results_of(table_of(costs)), "parity": table_of(closely) | {"rounds": 10}}
        text = printed(lambda results: aims_show(aims_of(results)))(results)
        self.assertRegex(text, r"1\.03\n    weir-uring: 1\.20.*: fails; of 2 rows 2 fail\n.*\n.*\n"
                               r"    weir-epoll: 1\.00.*: holds;")
        for document in (summary, figures):
            self.assertIn("10 interleaved rounds", re.sub(r"\s+", " ", document(results)))
        self.assertIn("| 1,200; 1.20 (", figures(results))

    def test_those_that_were_counted(self):
        text = aims_text(table_of(COSTS))
        self.assertIn("idle connection, below 512\n    weir-uring: 500: holds\n", text)
        self.assertIn("message of 64 bytes, below 350\n    weir-uring: 351: fails\n", text)
        self.assertIn("median of the rows, below 0.05\n    weir-uring: 2.000: fails; of 2 r", text)
        self.assertNotIn("system calls", aims_text(table_of(COSTS, connections=8)))

    def test_beside_asio_on_io_uring_only_the_same_core_counts(self):
        costs = {**COSTS, "asio-coroutines-uring": [1200] * 5}
        text = aims_text(table_of(costs))
        self.assertRegex(text, r"on io_uring, client on the same core, [^\n]*below 0\.9\n"
                               r"    weir-uring: 0\.83.*: holds;")
        self.assertNotIn("on io_uring, client on the other", text)

    def test_the_better_floor_is_that_of_each_row(self):
        costs = {**COSTS, "raw-uring": [900] * 5}
        aims = aims_of({"table": table_of(costs)})
        floors = {round(aim.floor.median, 3) for aim in aims
                  if aim.kind == "rival" and "libuv" in aim.title}
        self.assertEqual(floors, {0.643})  # 900 of 1,400

    def test_of_several_sizes_each_stands_alone_too(self):
        text = aims_text(table_of(COSTS, sizes=(64, 1024)))
        self.assertRegex(text, r"weir-uring: 0\.71.* of 2 rows 2 hold\n.*floor.*\n"
                               r"    weir-uring, 64 bytes: 0\.71.* of 1 rows 1 hold\n.*floor.*\n"
                               r"    weir-uring, 1,024 bytes: 0\.71")

    def test_few_connections_are_not_asked_to_beat_the_rivals(self):
        self.assertNotIn("to libuv", aims_text(table_of(COSTS, connections=8)))

    def test_failures_leave_the_others(self):
        costs = {**COSTS, "raw-uring": [None] * 5, "libuv": [None] * 5}
        text = aims_text(table_of(costs))
        self.assertRegex(text, r"better floor.*\n    weir-uring: 0\.9.*: holds")
        self.assertRegex(text, r"to libuv, .*\n    weir-uring: failed: failed\n")

    def test_a_transfer_is_no_slower_if_neither_time_nor_cpu_is(self):
        cheap = {**BULK_TIMES, "weir-epoll": [90] * 5}
        aims = aims_of({"bulk": bulk_of(BULK_TIMES, cheap)})
        found = {(aim.title.split(":")[1].split()[0], aim.server): aim.verdict() for aim in aims
                 if "sending" in aim.title}
        self.assertEqual(found, {("CPU", "weir-uring"): "holds", ("CPU", "weir-epoll"): "holds",
                                 ("time", "weir-uring"): "holds", ("time", "weir-epoll"): "fails"})


class Reasons(unittest.TestCase):
    def texts(self, **results):
        results = {**results_of(), **results}
        return {text.split(",")[0].split(":")[0].split(".")[0]: text
                for text in reasons(results, aims_of(results))}

    def test_what_holds_needs_none(self):
        self.assertNotIn("Resident bytes of an idle connection", self.texts())

    def test_the_floors_miss_what_weir_misses(self):
        counts = {"weir-uring": 400, "raw-uring": 100, "raw-multishot": 250}
        counts = [{"server": name, "instructions": count, "user": count / 2000}
                  for name, count in counts.items()]
        text = next(text for text in reasons(*self.with_aims(counts)) if "libuv" in text)
        self.assertIn("of the 2 figures that do not hold for weir, 2 do not hold for the be", text)
        self.assertIn("for messages of 64 bytes the kernel has about 88 %, by", text)
        text = next(text for text in reasons(*self.with_aims(counts)) if "Instructions" in text)
        self.assertIn("take 100 (by hand: io_uring, one-shot), 250 (by hand: io_uring, mult", text)
        self.assertTrue(text.endswith("weir, io_uring adds 150."))

    def with_aims(self, counts):
        results = {**results_of(), "instructions": counts}
        return results, aims_of(results)

    def test_bytes_are_of_the_struct_or_beside_it(self):
        idle = [{"server": "weir-uring", "bytes_64": 600, "bytes_16384": 700, "frame": 448}]
        text = self.texts(idle=idle)["Resident bytes of an idle connection"]
        self.assertIn("struct has 448, what is kept beside it 152.", text)

    def test_calls_stand_beside_those_of_the_floor(self):
        table = table_of(COSTS)
        for row in table["rows"]:
            row["calls"]["raw-multishot"] = 0.04
        text = self.texts(table=table)["System calls (and those of the floor that receives in the"
                                       " same way)"]
        self.assertIn("weir, io_uring: 2.000 (0.040) with the client on the other core, 2.0", text)


class Bulk(unittest.TestCase):
    def test_a_ratio_is_to_the_better_loop(self):
        text = printed(bulk_show)(bulk_of(BULK_TIMES, BULK_TIMES))
        self.assertRegex(text, r"the server sends, client on the same core\n    MiB a second")
        self.assertRegex(text, r"weir-epoll .* 0\.83 0\.83-0\.83\n")
        self.assertRegex(text, r"blocking +[\d,]+  1\n")
        self.assertRegex(text, r"weir-epoll +1\.200 \(1\.20-1\.20\)")
        self.assertRegex(text, r"libuv +failed")
        self.assertIn("FAILED: libuv, a transfer: it ended", text)

    def test_what_was_moved_is_counted_until_the_time_is_over(self):
        count, wall_ns = move(len, b"12345", 0.01)
        self.assertEqual(count % 5, 0)
        self.assertGreaterEqual(wall_ns, 0.01 * 1e9)
        self.assertGreater(count, 0)

    def test_an_end_is_a_failure(self):
        self.assertRaises(BenchError, move, len, b"", 0.01)


class Suite(unittest.TestCase):
    def test_a_time_is_the_inverse_of_a_rate(self):
        text = printed(suite_show)(suite_of())
        self.assertRegex(text, r"post/100 +tasks +2\.00 M .* 0\.50 \(0\.50-0\.50\) +1\.00 \S+\?")
        self.assertRegex(text, r"with sockets, 1 rows +0\.50 \(0\.50-0\.50\) +2\.00")
        self.assertRegex(text, r"tasks and timers alone, 2 rows +0\.50 \(0\.50-0\.50\) +1\.00")

    def test_rows_in_which_weir_is_slower_are_named(self):
        text = summary(results_of())
        self.assertIn("| rows in which weir is slower | none | `throughput/1024` 2.00 (2.00-2.00) |"
                      " none |\n", text)

    def test_what_is_next_to_nothing_keeps_a_digit(self):
        self.assertEqual(time_text(Ratio.of([0.004] * 5)), "0.004 (0.004-0.004)")

    def test_a_failure_is_said_and_leaves_the_others(self):
        text = printed(suite_show)(suite_of())
        self.assertRegex(text, r"post/1000 .* failed +1\.00 M +failed +1\.00")
        self.assertIn("FAILED: asio-uring, post/1000: did not end", text)


class Files(unittest.TestCase):
    def test_what_is_kept_is_in_the_file_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            results = Results(Path(folder) / "new", MACHINE)
            results.keep("table", {"rounds": 1})
            results.keep("table", {"rounds": 2})
            self.assertEqual(json.loads(results.file.read_text())["table"], {"rounds": 2})
            self.assertEqual(list(results.file.parent.iterdir()), [results.file])

    def test_a_file_that_cannot_be_written_is_so_before_the_run(self):
        with tempfile.NamedTemporaryFile() as file:
            self.assertRaises(BenchError, Results, Path(file.name) / "folder", MACHINE)

    def test_a_disk_that_is_full_for_a_while_ends_no_run(self):
        with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()) as said:
            results = Results(Path(folder) / "new", MACHINE)
            shutil.rmtree(results.file.parent)
            self.assertFalse(results.keep("table", {"rounds": 1}))
            self.assertIn("cannot be written", said.getvalue())
            results.file.parent.mkdir()
            self.assertTrue(results.keep("bulk", {"rounds": 2}))
            self.assertEqual(results_read([results.file])["table"], {"rounds": 1})

    def test_what_is_no_file_of_a_run_is_said(self):
        with tempfile.NamedTemporaryFile() as file:
            self.assertRaises(BenchError, results_read, [Path(file.name)])
            self.assertRaises(BenchError, results_read, [Path(file.name) / "gone"])

    def test_several_files_are_one_run(self):
        with tempfile.TemporaryDirectory() as folder:
            first, second = Path(folder) / "1", Path(folder) / "2"
            first.write_text(json.dumps({"machine": MACHINE, "table": {"a": 1}, "idle": [1]}))
            second.write_text(json.dumps({"machine": {}, "table": {"b": 2}, "idle": []}))
            self.assertEqual(results_read([first, second]),
                             {"machine": MACHINE, "table": {"b": 2}, "idle": [1]})


class Documents(unittest.TestCase):
    def test_the_summary_has_a_line_a_server(self):
        text = summary(results_of())
        self.assertIn("Taken on a virtual machine (a CPU, 2 cores, Linux 6.1), 2026-01-31, 5 inter",
                      text)
        self.assertIn("| weir, io_uring, to | CPU a message | messages a second | p50 | p99 |\n",
                      text)
        self.assertIn("| libuv | 0.71 (0.67-0.72) | 1.40 (1.40-1.49) | 0.71 (0.67-0.72) |", text)
        self.assertIn("| server | CPU, other core | CPU, same core | CPU, all rows |", text)
        self.assertIn("| libuv | 1.40 | 1.40 | 1.40 (1.40-1.50) |", text)
        self.assertRegex(text, r"\| weir, io_uring \| 1\.00.* \| 500 \| 351 \| 2\.00 \|\n")
        self.assertIn("of an idle connection | weir, io_uring | 512 | 500 | holds | - | - |", text)
        self.assertRegex(text, r"\| weir, epoll \| 1\.20 \S+: fails \| 1\.20 \S+: fails \|")
        self.assertRegex(text, r"3\srows of Corosio's")
        self.assertRegex(text, r"\| with sockets, 1 rows \| 0\.50 \(")
        self.assertIn("* p99, to the best peer's, the rows furthest away. weir, io_uring", text)

    def test_a_size_is_a_column_of_the_aims(self):
        text = summary(results_of(table_of(COSTS, sizes=(64, 1024))))
        self.assertIn("| figure | verdict | 64 B | 1 KiB | better floor | single rows |\n", text)
        self.assertRegex(text, r"\| 0\.75 \| \S+ \S+ \| fails \| 0\.91, floor 0\.91 \| ")

    def test_every_line_says_what_it_is_of(self):
        for text in (summary(results_of()), figures(results_of())):
            self.assertNotRegex(text, r"(?m)^\|\s*\|")
            self.assertNotRegex(text, r"\|  +\|")

    def test_the_figures_have_a_cell_a_row(self):
        text = figures(results_of())
        self.assertIn("| 64 B, client on the same core; connections: | 64 |\n", text)
        self.assertIn("| libuv | 1,400; 1.40 (1.40-1.50) |\n", text)
        self.assertIn("| by hand: io_uring, one-shot | 1,000; 1 |\n", text)
        self.assertIn("| `post/1000` | tasks | 2.00 M | 1.00 M | failed | 1.00 M | failed |", text)

    def test_latencies_at_a_rate_have_a_table(self):
        results = {"machine": MACHINE, "paced": paced_of({**COSTS, "raw-uring": [None] * 5})}
        text = summary(results)
        self.assertIn("| p99, 64 connections, other core | p99, 64 connections, same core |", text)
        self.assertIn("| libuv | 280 us | 280 us | 1.27 (1.27-1.36) |", text)
        self.assertIn("| by hand: io_uring, one-shot | failed | failed | failed |", text)
        self.assertIn("## Echoes at a rate", figures(results))
        self.assertIn("64 x 64 bytes, 30,000 a second\n", printed(paced_show)(results["paced"]))

    def test_the_native_layer_stands_beside_the_portable(self):
        table = table_of({**COSTS, "weir-native": [800] * 5})
        results = {**results_of(table), "instructions": [
            {"server": "weir-uring", "instructions": 350}, {"server": "weir-native",
                                                            "instructions": 320}]}
        text = figures(results)
        self.assertIn("| what | weir, native to weir, io_uring |\n", text)
        self.assertIn("| CPU a message, 64 B, client on the same core | 0.80 (0.80-0.80) |\n", text)
        self.assertIn("| user instructions a message | 320 instead of 350 |\n", text)
        self.assertNotIn("### Native", figures(results_of()))

    def test_tables_are_rectangular(self):
        for text in (summary(results_of()), figures(results_of())):
            for block in text.split("\n\n"):
                rows = [line for line in block.splitlines() if line.startswith("|")]
                self.assertLessEqual(len({row.count("|") for row in rows}), 1, block)

    def test_of_one_block_alone_only_that_is_shown(self):
        text = figures({"machine": MACHINE, "suite": suite_of()})
        self.assertEqual(re.findall("(?m)^#.*", text), ["## Rows of Corosio's benchmark suite"])

    def test_only_what_stands_between_the_markers_is_replaced(self):
        document = f"a\n{BEGIN}\nold\n{END}\nb\n"
        self.assertEqual(replaced(document, "new\n"), f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n")
        self.assertRaises(BenchError, replaced, "a\n", "new")

    def test_publishing_writes_what_was_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "docs/guide").mkdir(parents=True)
            for name in FILES.values():
                (root / name).write_text(f"{BEGIN}\n{END}\n")
            printed(lambda results: publish(root, results))(results_of())
            self.assertIn("holds itself to", (root / "README.md").read_text())
            self.assertIn("## Echoes", (root / "docs/figures.md").read_text())
            self.assertEqual((root / FILES["native"]).read_text(), f"{BEGIN}\n{END}\n")
            printed(lambda results: publish(root, results))(results_with_natives())
            self.assertIn("(`weir_uring_pull`) | 350 | 320 | 0.80 (0.80-0.80) |\n",
                          (root / FILES["native"]).read_text())

    def test_what_others_used_of_the_machine_is_told(self):
        self.assertEqual(rounds_text({"rounds": 5, "seconds": 0.2, "busy": [0, 0.71, 0.02, 0.1]}),
                         "5 interleaved rounds of 0.2 s, of which 2 began while others used up to"
                         " 71 % of the machine, intervals at 93.8 %")

    def test_what_the_programs_were_made_of_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "CMakeCache.txt"
            (Path(folder) / "asio").mkdir()
            (Path(folder) / "asio/version.hpp").write_text("#define ASIO_VERSION 102201 // 1\n")
            cache.write_text(f"CMAKE_BUILD_TYPE:STRING=Fast\nCMAKE_C_COMPILER:FILEPATH=gcc\n"
                             f"CMAKE_C_FLAGS_FAST:STRING=-O9\nASIO_INCLUDE_DIR:PATH={folder}\n")
            self.assertIn("Asio 1.22.1", versions(cache))
            self.assertTrue(versions(cache)[0].endswith("-O9"))
        machine = {**MACHINE, "versions": ["gcc 12 -O9", "Asio 1.22.1"]}
        self.assertIn("Linux 6.1; gcc 12 -O9, Asio 1.22.1), 2026",
                      summary({**results_of(), "machine": machine}).replace("\n", " "))

    def test_sizes_are_read_at_once(self):
        self.assertEqual([size_text(size) for size in (64, 1000, 1024, 16384, 1 << 20)],
                         ["64 B", "1,000 B", "1 KiB", "16 KiB", "1 MiB"])
