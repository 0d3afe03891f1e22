# SPDX-License-Identifier: MIT
"""All rules, by name."""

import check_c
import check_coroutine
import check_docs
import check_mutants
import check_project
import check_readme
from check_source import Tree

RULES = {**check_project.RULES, **check_c.RULES, **check_coroutine.RULES, **check_docs.RULES,
         **check_readme.RULES, **check_mutants.RULES}


def run(root, names):
    """(rule, finding) of each place where one of these rules does not hold."""
    tree = Tree(root)
    return [(name, finding) for name in names for finding in RULES[name](tree)]
