#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The runs that once found bugs find none.

    test_seeds.py --weir-sim PROGRAM [unittest's arguments]

They stand in the file seeds, beside this one, each with a test that shows its bug for certain.
"""

import argparse
import re
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUN = re.compile(r"(\w+) (\d+) ([0-3])(?: (\d+))?:\n((?: +.*\n)+)")

options = argparse.Namespace()


def read_runs():
    """Scenario, seed, faults, variant or '', and the words about it, of each."""
    text = (HERE / "seeds").read_text(encoding="utf-8")
    return RUN.findall(re.sub(r"(?m)^#.*\n|^\n", "", text))


def names_of_tests():
    sources = (path.read_text(encoding="utf-8") for path in HERE.parent.glob("*/*.c"))
    found = re.findall(r"WEIR_\w*TEST\w*\((\w+),\s*(\w+)", "".join(sources))
    return {"/".join(names) for names in found}


class Seeds(unittest.TestCase):
    def test_every_line_is_understood(self):
        text = (HERE / "seeds").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line and line[0] not in "# "]
        self.assertEqual(len(read_runs()), len(lines), lines)
        self.assertGreater(len(lines), 0)

    def test_each_bug_has_a_test_of_its_own(self):
        names = names_of_tests()
        for *_, words in read_runs():
            self.assertIn(words.split()[-1].rstrip("."), names)

    def test_none_fails(self):
        for scenario, seed, faults, variant, words in read_runs():
            command = [options.weir_sim, "--jobs", "1", "--scenario", scenario, "--seed", seed,
                       "--faults", faults]
            if variant:
                command += ["--variant", variant]
            with self.subTest(scenario=scenario, seed=seed):
                ended = subprocess.run(command, capture_output=True, text=True, check=False)
                self.assertEqual(ended.returncode, 0, ended.stderr + words)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir-sim", required=True)
    _, rest = parser.parse_known_args(namespace=options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
