# SPDX-License-Identifier: MIT
"""Of perf/bench/self_test: aims, bulk transfers, the suite, the file of a run, documents."""

import json
import tempfile
import unittest
from pathlib import Path

from aims import aims_of, aims_show
from bulk import bulk_show, move
from documents import BEGIN, END, figures, publish, replaced
from fixtures import (
    COSTS,
    IDLE,
    INSTRUCTIONS,
    MACHINE,
    bulk_of,
    printed,
    suite_of,
    table_of,
)
from markdown import size_text
from process import BenchError
from results import Results, results_read
from suite import suite_show
from summary import summary

BULK_TIMES = {"weir-uring": [101, 102, 101, 102, 101], "weir-epoll": [120] * 5,
              "blocking": [100] * 5, "raw-uring": [110] * 5, "libuv": [None] * 5}


def results_of(table=None, bulk=None):
    return {"machine": MACHINE, "table": table or table_of(COSTS), "idle": IDLE,
            "instructions": INSTRUCTIONS, "bulk": bulk or bulk_of(BULK_TIMES, BULK_TIMES),
            "suite": suite_of()}


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
                               r"uring: 0\.9.*: fails; of 1 rows 1 fail\n      fails: client on the"
                               r" same core, 64 x 64 bytes: 0\.9")
        self.assertRegex(text, r"best peer's: Asio coroutines on epoll, below 1\n"
                               r"    weir-uring: 0\.9.*: undecided\n")

    def test_those_that_were_counted(self):
        text = aims_text(table_of(COSTS))
        self.assertIn("idle connection, below 512\n    weir-uring: 500: holds\n", text)
        self.assertIn("message of 64 bytes, below 350\n    weir-uring: 351: fails\n", text)

    def test_of_several_sizes_each_stands_alone_too(self):
        text = aims_text(table_of(COSTS, sizes=(64, 1024)))
        self.assertRegex(text, r"weir-uring: 0\.71.* of 2 rows 2 hold\n"
                               r"    weir-uring, 64 bytes: 0\.71.* of 1 rows 1 hold\n"
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
        self.assertRegex(text, r"all rows together +0\.50 \(0\.50-0\.50\) +1\.00")

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
        self.assertIn("| client on | other core, 64 B | same core, 64 B | all rows |\n", text)
        self.assertIn("| libuv | 1.40 | 1.40 | 1.40 (1.40-1.50) |\n", text)
        self.assertRegex(text, r"\| weir, io_uring \| 1\.00.* \| 500 \| 700 \| 351 \| 2\.00 \|\n")
        self.assertIn("of an idle connection | weir, io_uring | 500 | 512 | holds |  |\n", text)
        self.assertRegex(text, r"\| weir, epoll \| 1\.20 \| 1\.20 \S+ \| 1\.20 \S+ \|\n")
        self.assertRegex(text, r"\| 2 rows \| 0\.50 .*\| 1\.00")

    def test_the_figures_have_a_cell_a_row(self):
        text = figures(results_of())
        self.assertIn("| 64 B, client on the same core; connections: | 64 |\n", text)
        self.assertIn("| libuv | 1,400; 1.40 (1.40-1.50) |\n", text)
        self.assertIn("| by hand: io_uring, one-shot | 1,000; 1 |\n", text)
        self.assertIn("| `post/1000` | tasks | 2.00 M | 1.00 M | failed | 1.00 M | failed |", text)

    def test_tables_are_rectangular(self):
        for text in (summary(results_of()), figures(results_of())):
            for block in text.split("\n\n"):
                rows = [line for line in block.splitlines() if line.startswith("|")]
                self.assertLessEqual(len({row.count("|") for row in rows}), 1, block)

    def test_of_one_block_alone_only_that_is_shown(self):
        text = figures({"machine": MACHINE, "suite": suite_of()})
        self.assertTrue(text.startswith("## Rows of Corosio"))

    def test_only_what_stands_between_the_markers_is_replaced(self):
        document = f"a\n{BEGIN}\nold\n{END}\nb\n"
        self.assertEqual(replaced(document, "new\n"), f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n")
        self.assertRaises(BenchError, replaced, "a\n", "new")

    def test_publishing_writes_both(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "docs").mkdir()
            for name in ("README.md", "docs/figures.md"):
                (root / name).write_text(f"{BEGIN}\n{END}\n")
            printed(lambda results: publish(root, results))(results_of())
            self.assertIn("holds itself to", (root / "README.md").read_text())
            self.assertIn("## Echoes", (root / "docs/figures.md").read_text())

    def test_sizes_are_read_at_once(self):
        self.assertEqual([size_text(size) for size in (64, 1000, 1024, 16384, 1 << 20)],
                         ["64 B", "1,000 B", "1 KiB", "16 KiB", "1 MiB"])
