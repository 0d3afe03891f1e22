# SPDX-License-Identifier: MIT
"""Rules about what documents show and promise: programs that are compiled, tests that exist."""

import re

from check_source import Finding

README = "README.md"
BLOCK = r"^```c\n(.*?)^```$"
FENCE = r"(?s)^```c\n(.*?)^```\n+(?:[^`\n]*\n+)?```text$"
# A macro of a file's own may know the suite; behind the name may stand a reason.
TEST = r"\b[A-Z_]*TEST(?:_BUT_[A-Z]+)?\((?:(\w+),\s*)?(\w+)[,)]"
TEST_NAME = r"`([a-z][a-z0-9_]*)/([a-z][a-z0-9_]+)`"
LAST_COLUMN = "| a test that breaks without it |"
# That a test of this name is there is another rule's to check.
IS_TESTED = r"`[a-z_0-9]+/[a-z_0-9*]+`|`tests/|planted cases|no test of its own"
IS_PROGRAM = re.compile(r"^int main\(", re.MULTILINE)


def check_readme(tree):
    """A C program that README.md shows is a file of examples/, byte for byte; it shows one."""
    readme = tree.by_path.get(README)
    if not readme:
        return
    shown = [(line, match.group(1)) for line, match in readme.matches(f"(?s){BLOCK}")
             if IS_PROGRAM.search(match.group(1))]
    if not shown:
        yield Finding(README, 1, "shows no C program")
    examples = {file.text: file.path for file in tree.under("examples")}
    for line, program in shown:
        if program not in examples:
            yield Finding(README, line, "this program is no file of examples/")


def check_guide(tree):
    """A chapter of the guide begins with its program of examples/guide, and the output follows."""
    chapters = {match.group(1): file for file in tree.files
                if (match := re.fullmatch(r"docs/guide/(\d.*)\.md", file.path))}
    programs = {match.group(1).replace("_", "-"): file for file in tree.files
                if (match := re.fullmatch(r"examples/guide/(.*)\.c", file.path))}
    for name, program in programs.items():
        if name not in chapters:
            yield Finding(program.path, 1, f"no chapter docs/guide/{name}.md shows this program")
    for name, chapter in chapters.items():
        line, first = next(chapter.matches(FENCE), (1, None))
        if not first or name not in programs or first.group(1) != programs[name].text:
            yield Finding(chapter.path, line,
                          f"does not begin with examples/guide/{name.replace('-', '_')}.c")


def check_doc_tests(tree):
    """A test that a document names as suite/name exists; a contract test may name its backend."""
    tests = {match.groups() for file in tree.under("tests") for _, match in file.matches(TEST)}
    for file in tree.files:
        if not file.name.endswith(".md"):
            continue
        for line, match in file.matches(TEST_NAME):
            suite, name = match.groups()
            plain = re.sub(r"_(?:uring|direct|epoll|sim)$", "", suite)
            known = {(suite, name), (plain, name), (None, name)} & tests
            if not known and not tree.exists(f"{suite}/{name}"):
                yield Finding(file.path, line, f"no test is called {suite}/{name}")


def check_invariants(tree):
    """A table of invariants names assertions and functions that are there, and a test a row."""
    code = "\n".join(re.sub(r'"\s*\n\s*"', "", file.code) for file in tree.sources)
    for file in tree.files:
        if not file.name.endswith(".md"):
            continue
        is_inside = False
        for line, text in enumerate(file.lines, 1):
            is_inside = text.endswith(LAST_COLUMN) or (is_inside and text.startswith("|"))
            if not is_inside or text.endswith(LAST_COLUMN) or text.startswith("|---"):
                continue
            *_, where, tests, _ = re.split(r"\s*\|\s*", text)
            for message in invariant_findings(where, tests, code):
                yield Finding(file.path, line, message)


def invariant_findings(where, tests, code):
    for text in re.findall(r'"([^"]+)"', where):
        if f'"{text}"' not in code:
            yield f'nothing asserts "{text}"'
    for name in re.findall(r"`(\w+)`", where):
        if not re.search(rf"\b{name}\b", code):
            yield f"the code has no {name}"
    if not re.search(IS_TESTED, tests):
        yield "names no test, and does not say why"


RULES = {
    "readme": check_readme,
    "guide": check_guide,
    "doc-tests": check_doc_tests,
    "invariants": check_invariants,
}
