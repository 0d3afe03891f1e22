# SPDX-License-Identifier: MIT
"""A bug that ci/mutants plants: a file of ci/mutants.d.

Behind the licence stands a sentence that names the bug, then lines "key: value" and texts:

    runs: N            how many runs it may take
    scenarios: NAME... which may catch it; else all
    file: PATH         where the edits that follow go
    before:            the lines up to "after:" stand once in the file, and give way
    after:             to the lines up to the next key
"""

from dataclasses import dataclass, field

RUNS = 10000  # Without "runs:".
FOLDER = "ci/mutants.d"
SUFFIX = ".mutant"


class Unusable(Exception):
    """A bug that cannot be planted, or a tree in which nothing can be shown."""


@dataclass
class Edit:
    """A place in a source where a bug goes."""

    path: str
    before: str = ""
    after: str = ""


@dataclass
class Mutant:
    """A bug."""

    name: str
    sentence: str
    runs: int = RUNS
    scenarios: list = field(default_factory=list)
    edits: list = field(default_factory=list)


def read(name, text):
    """The bug that a text describes."""
    head, _, body = text.partition("\n\n")
    mutant = Mutant(name, " ".join(head.split("\n")[1:]))
    source = None
    part = None  # Of the latest edit: "before" or "after".
    for line in body.splitlines():
        key, _, value = line.partition(": ")
        if line == "before:":
            mutant.edits.append(Edit(source))
            part = "before"
        elif line == "after:":
            part = "after"
        elif key == "file":
            source, part = value, None
        elif key == "runs":
            mutant.runs = int(value)
        elif key == "scenarios":
            mutant.scenarios = value.split()
        elif part:
            edit = mutant.edits[-1]
            setattr(edit, part, getattr(edit, part) + line + "\n")
        elif line:
            raise Unusable(f"{name}: what does '{line}' mean?")
    if not mutant.edits:
        raise Unusable(f"{name}: changes nothing")
    return mutant


def plant(mutant, text_of):
    """{path: (text as it is, text with the bug)}; text_of gives the text of a path."""
    files = {}
    for edit in mutant.edits:
        clean, text = files.get(edit.path) or 2 * (text_of(edit.path),)
        count = text.count(edit.before)
        if count != 1:
            first = edit.before.strip().split("\n")[0].strip()
            raise Unusable(f"{mutant.name}: what begins with '{first}' stands {count} times in "
                           f"{edit.path}, not once")
        files[edit.path] = (clean, text.replace(edit.before, edit.after))
    return files
