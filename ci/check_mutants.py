# SPDX-License-Identifier: MIT
"""A rule about the bugs that ci/mutants plants."""

import mutant
from check_source import Finding


def check_mutants(tree):
    """The bugs of ci/mutants.d can be planted: what they replace stands where they say, once."""

    def text_of(path):
        file = tree.by_path.get(path)
        return file.text if file else ""

    for file in tree.files:
        if file.path.startswith(mutant.FOLDER + "/"):
            try:
                mutant.plant(mutant.read(file.name.removesuffix(mutant.SUFFIX), file.text), text_of)
            except mutant.Unusable as error:
                yield Finding(file.path, 0, str(error))


RULES = {"mutants": check_mutants}
