#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weir-sim from outside: its command line, that a seed is one history, and what failures look like.

    test_weir_sim.py --weir-sim PROGRAM --broken PROGRAM [--sanitized] [unittest's arguments]

PROGRAM of --broken is weir-sim with scenarios that fail on purpose: scenarios_broken.c.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

options = argparse.Namespace()


def run(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                          timeout=120)


def weir_sim(*arguments):
    return run(options.weir_sim, *arguments)


def broken(*arguments):
    return run(options.broken, *arguments)


class CommandLine(unittest.TestCase):
    def assert_refused(self, *arguments, why):
        ended = weir_sim(*arguments)
        self.assertEqual(ended.returncode, 2, ended)
        self.assertEqual(ended.stdout, "")
        self.assertIn(why, ended.stderr)

    def test_what_cannot_be_written_is_an_error(self):
        for arguments in (["--help"], ["--list"], [], ["--runs", "20"]):
            with open("/dev/full", "w") as full:
                ended = subprocess.run([options.weir_sim, *arguments], stdout=full,
                                       stderr=subprocess.PIPE, text=True, check=False, timeout=120)
            self.assertEqual(ended.returncode, 1, ended)
            self.assertIn("standard output", ended.stderr)

    def test_a_trace_that_cannot_be_written_is_an_error(self):
        for jobs in ("0", "1"):
            ended = weir_sim("--seed", "7", "--jobs", jobs, "--trace", "/dev/full")
            self.assertEqual((ended.returncode, ended.stdout), (1, ""), ended)
            self.assertIn("--trace /dev/full: not all of it", ended.stderr)

    def test_wrong_arguments_are_refused_with_the_reason(self):
        self.assert_refused("--runs", "0", why="--runs 0: not from 1 to")
        self.assert_refused("--runs", "many", why="--runs many: not a number")
        self.assert_refused("--runs", "1x", why="not a number")
        self.assert_refused("--seed", "-1", why="--seed -1: not a number")
        self.assert_refused("--seed", "99999999999999999999", why="not from 0 to")
        self.assert_refused("--faults", "4", why="--faults 4: not from 0 to 3")
        self.assert_refused("--jobs", "257", why="not from 0 to 256")
        self.assert_refused("--timeout", "0", why="not from 1 to")
        self.assert_refused("--scenario", "nothing", why="there is no such scenario")
        self.assert_refused("--variant", "3", why="name it by --scenario")
        self.assert_refused("--scenario", "echo", "--variant", "0", why="echo is one world")
        self.assert_refused("--scenario", "cancel_storm", "--variant", "1", "--runs", "2",
                            why="a variant is of one run")
        self.assert_refused("--trace", "-", "--runs", "2", why="a trace is of one run")
        self.assert_refused("--trace", "/nowhere/trace", why="No such file")
        self.assert_refused("--seed", "18446744073709551615", "--runs", "2", why="so many seeds")
        self.assert_refused("--nonsense", why="--nonsense")
        self.assert_refused("--seed", why="requires an argument")
        self.assert_refused("echo", why="echo: not an option")

    def test_list_names_scenarios_that_can_be_run(self):
        ended = weir_sim("--list")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        names = [line.split()[0] for line in ended.stdout.splitlines()]
        self.assertGreater(len(names), 0)
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            ended = weir_sim("--scenario", name)
            self.assertEqual(ended.returncode, 0, ended.stderr)
            self.assertTrue(ended.stdout.startswith(f"{name}: seed 1, faults "), ended.stdout)

    def test_help_and_version_go_to_stdout(self):
        for option, text in (("--help", "--scenario NAME"), ("--version", "weir-sim ")):
            ended = weir_sim(option)
            self.assertEqual((ended.returncode, ended.stderr), (0, ""))
            self.assertIn(text, ended.stdout)


class History(unittest.TestCase):
    LINE = re.compile(r"\w+: seed 7, faults [0-3],( worlds \d+,)? steps \d+, switches \d+, "
                      r"time \d+\.\d{6} s, operations \d+, connections \d+, bytes \d+, "
                      r"injected \d+, hash [0-9a-f]{16}")

    def test_one_seed_is_one_history(self):
        first, second = weir_sim("--seed", "7"), weir_sim("--seed", "7")
        self.assertRegex(first.stdout.splitlines()[0], self.LINE)
        self.assertEqual((first.stdout, first.stderr), (second.stdout, ""))

    def test_a_run_in_this_process_has_the_same_history(self):
        self.assertEqual(weir_sim("--seed", "7", "--jobs", "0").stdout,
                         weir_sim("--seed", "7").stdout)

    def test_two_seeds_are_two_histories(self):
        def history(seed):
            printed = weir_sim("--scenario", "timers", "--seed", seed).stdout
            return printed.splitlines()[0].split()[-1]
        self.assertNotEqual(history("7"), history("8"))

    def test_the_number_of_workers_changes_nothing(self):
        printed = {weir_sim("--runs", "40", "--jobs", jobs).stdout for jobs in ("0", "1", "2", "7")}
        self.assertEqual(len(printed), 1, printed)
        self.assertRegex(printed.pop(), r"(?m)^all +40 ")

    def test_the_trace_is_every_event_and_the_same_again(self):
        arguments = "--scenario", "timers", "--seed", "7"
        steps = int(re.search(r"steps (\d+)", weir_sim(*arguments).stdout).group(1))
        with tempfile.NamedTemporaryFile("r") as file:
            ended = weir_sim(*arguments, "--trace", file.name)
            lines = file.read().splitlines()
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(len(lines), steps)
        printed = weir_sim(*arguments, "--trace", "-").stdout.splitlines()
        self.assertEqual(printed[:steps], lines)

    def test_runs_that_repeat_one_another_are_the_sum_of_single_ones(self):
        single = [weir_sim("--seed", str(seed)).stdout for seed in range(1, 5)]
        steps = sum(int(re.search(r"steps (\d+)", text).group(1)) for text in single)
        row = re.search(r"(?m)^all .*", weir_sim("--runs", "4").stdout).group(0).split()
        self.assertEqual(int(row[3].replace(",", "")), steps)


class Failures(unittest.TestCase):
    def assert_fails(self, scenario, *arguments, expected, with_report=True):
        """Returns what was printed, and what repeats it, without the program."""
        ended = broken("--scenario", scenario, "--faults", "1", *arguments)
        self.assertEqual(ended.returncode, 1, ended)
        self.assertEqual(ended.stdout, "")
        for text in expected:
            self.assertIn(text, ended.stderr)
        reports = ended.stderr.count("The last events:")
        self.assertEqual(reports, 1 if with_report else 0, ended.stderr)
        program, *repeat = re.search(r"(?m)^repeat: (.*)$", ended.stderr).group(1).split()
        self.assertEqual(program, options.broken)
        return ended.stderr, repeat

    def test_a_broken_rule_is_reported_once_with_what_repeats_it(self):
        text, repeat = self.assert_fails(
            "rule", "--seed", "3",
            expected=["the rule of the test is broken", "FAILED: scenario rule, seed 3, faults 1"])
        self.assertEqual(repeat, ["--scenario", "rule", "--seed", "3", "--faults", "1"])
        self.assertEqual(broken(*repeat).stderr, text)

    def test_a_failed_assertion_is_reported(self):
        self.assert_fails("assertion", expected=["an assertion that fails", ": Aborted"])

    def test_a_segmentation_fault_is_reported(self):
        if options.sanitized:
            self.assert_fails("segfault", expected=["Sanitizer"], with_report=False)
        else:
            self.assert_fails("segfault", expected=[": Segmentation fault"])

    def test_a_program_that_ends_the_process_is_a_failure(self):
        self.assert_fails("exit", expected=[": exit status 7"], with_report=False)

    def test_a_hang_is_reported(self):
        begun = time.monotonic()
        self.assert_fails("hang", "--timeout", "1", expected=[": no world ended for 1 s"])
        self.assertLess(time.monotonic() - begun, 60)

    def test_a_standstill_is_a_failure(self):
        self.assert_fails("standstill", expected=["liveness", "standstill", "wait_for_nothing"])

    def test_a_world_without_an_end_is_a_failure(self):
        self.assert_fails("endless", expected=["liveness", "within 60 s", "sleep_for_ever"])

    def test_a_world_of_too_many_steps_is_a_failure(self):
        _, repeat = self.assert_fails("endless", "--steps", "20", expected=["step"])
        self.assertEqual(repeat[-2:], ["--steps", "20"])

    def test_what_is_checked_at_the_end_is_reported(self):
        self.assert_fails("check", expected=["what is checked at the end is wrong"])

    def test_the_first_run_that_fails_is_shown_whoever_runs_it(self):
        for jobs in ("1", "2", "9"):
            _, repeat = self.assert_fails("some", "--runs", "1000", "--jobs", jobs,
                                          expected=["FAILED: scenario some, seed 5,"])
            self.assertEqual(repeat, ["--scenario", "some", "--seed", "5", "--faults", "1"])

    def test_one_of_several_worlds_is_repeated_alone(self):
        text, repeat = self.assert_fails("variants", expected=[", world 7: "])
        self.assertEqual(repeat[-2:], ["--variant", "6"])
        alone = broken(*repeat)
        self.assertEqual(alone.returncode, 1)
        self.assertIn("the rule of the test is broken", alone.stderr)
        self.assertNotIn(", world ", alone.stderr)
        self.assertNotEqual(alone.stderr, text)

    def test_a_world_that_a_run_does_not_have_is_refused(self):
        self.assertEqual(broken("--scenario", "variants", "--variant", "9").returncode, 0)
        for program, scenario, variant in ((broken, "variants", "10"),
                                           (weir_sim, "cancel_storm", "99999999")):
            for jobs in ("0", "1"):
                ended = program("--scenario", scenario, "--variant", variant, "--jobs", jobs)
                self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended)
                self.assertIn(f"--variant {variant}: no world of {scenario} with seed 1",
                              ended.stderr)

    def test_the_table_counts_the_worlds_of_a_run(self):
        ended = broken("--scenario", "good", "--runs", "5")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertRegex(ended.stdout, r"(?m)^good +5 +5 ")


class Readme(unittest.TestCase):
    """What README shows of runs is what they print now."""

    maxDiff = None

    def assert_shown(self, arguments):
        if options.sanitized:
            self.skipTest("runs take long with a sanitizer, and once is enough")
        text = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
        shown = re.search(rf"(?ms)^\$ build/bin/weir-sim ({arguments})\n(.*?)^```$", text)
        self.assertTrue(shown, "README shows no such run")
        self.assertEqual(shown.group(2), weir_sim(*shown.group(1).split()).stdout)

    def test_a_single_run_prints_what_it_shows(self):
        self.assert_shown(r"--scenario \w+ --seed \d+")

    def test_the_table_is_the_one_it_shows(self):
        self.assert_shown(r"--runs \d+")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir-sim", required=True)
    parser.add_argument("--broken", required=True)
    parser.add_argument("--sanitized", action="store_true")
    _, rest = parser.parse_known_args(namespace=options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
