# SPDX-License-Identifier: MIT
"""Rules about the project as a whole: licence, format, lists, parallel backends, symbols."""

import re
import subprocess

from check_source import Finding

LICENCE = "SPDX-License-Identifier: MIT"
LEFTOVER = r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"
PARALLEL = ("backend.c", "op.c", "socket.c", "wait.c")
BACKENDS = ("uring", "compat/epoll")
COLUMNS = 100  # As in .clang-format, which does not break comments and strings.
BUILT = ("build/lib/libweir.a", "build/lib/libweir.so")


def is_script(file):
    return file.name.endswith((".py", ".sh", ".cmake", ".cmake.in", ".pc.in")) or (
        file.name == "CMakeLists.txt" or file.text.startswith("#!"))


def is_python(file):
    return file.name.endswith(".py") or file.lines[0] == "#!/usr/bin/env python3"


def check_licence(tree):
    """A source or script opens with the SPDX line (a script, below its interpreter)."""
    for file in tree.files:
        if file.is_source:
            opened = file.lines[0] in (f"/* {LICENCE} */", f"// {LICENCE}")
        elif is_script(file):
            opened = f"# {LICENCE}" in file.lines[:2]
        else:
            continue
        if not opened:
            yield Finding(file.path, 1, f"does not open with '{LICENCE}'")


def check_format(tree):
    """clang-format would change nothing."""
    paths = [file.path for file in tree.sources]
    if not paths:
        return
    done = subprocess.run(["clang-format", "--dry-run", *paths], cwd=tree.root, text=True,
                          stderr=subprocess.PIPE, check=True)
    seen = set()
    for match in re.finditer(r"^(\S+?):(\d+):\d+: \w+: code should be", done.stderr, re.MULTILINE):
        if match.group(1) not in seen:
            seen.add(match.group(1))
            yield Finding(match.group(1), int(match.group(2)), "run clang-format -i on this file")


def check_columns(tree):
    """No line of C or Python has over 100 columns, and no comment of a script or of CMake's."""
    for file in tree.files:
        if file.is_source or is_python(file):
            counted = ""
        elif is_script(file):
            counted = "#"
        else:
            continue
        for number, line in enumerate(file.lines, 1):
            if len(line) > COLUMNS and line.lstrip().startswith(counted):
                yield Finding(file.path, number, f"has {len(line)} columns")


def check_leftovers(tree):
    """No note to oneself is left behind."""
    for file in tree.files:
        for line, match in file.matches(LEFTOVER):
            yield Finding(file.path, line, f"{match.group(1)} is left over")


def check_lists(tree):
    """A source or public header is named in a CMakeLists.txt of its folder or one above."""
    listed = {}
    for file in tree.files:
        if file.name == "CMakeLists.txt":
            folder = file.path.removesuffix("CMakeLists.txt")
            listed[folder] = set(re.findall(r"[\w.-]+\.(?:c|cc|h)\b", file.text))
    for file in tree.sources:
        if file.name.endswith(".h") and not file.is_public:
            continue
        if not any(file.path.startswith(folder) and file.name in names
                   for folder, names in listed.items()):
            yield Finding(file.path, 1, "no CMakeLists.txt names this file")


def check_parallel(tree):
    """The backends are parallel: the same files, and what both have in the same order."""
    for name in PARALLEL:
        files = [tree.by_path.get(f"{folder}/{name}") for folder in BACKENDS]
        if not any(files):
            continue
        if not all(files):
            missing = BACKENDS[files.index(None)]
            yield Finding(f"{missing}/{name}", 0, "only the other backend has this file")
            continue
        ours, theirs = (function_order(file) for file in files)
        common = [name for name in ours if name in theirs]
        for here, there in zip(common, (name for name in theirs if name in ours)):
            if here != there:
                yield Finding(files[1].path, theirs[there],
                              f"{there} stands where {files[0].path} has {here}")
                break


def function_order(file):
    """Line by name, in the order of the file; names without that of the backend."""
    return {re.sub(r"^(?:weir_)?(?:uring|epoll)_", "", function.name): function.first
            for function in file.functions}


def check_symbols(tree):
    """What the built library makes visible begins with weir_."""
    for path in BUILT:
        if not tree.exists(path):
            continue
        flags = ["-D"] if path.endswith(".so") else []
        done = subprocess.run(["nm", "-g", "--defined-only", *flags, path], cwd=tree.root,
                              text=True, stdout=subprocess.PIPE, check=True)
        for symbol in re.findall(r"^[0-9a-f]+ [A-Z] (\S+)$", done.stdout, re.MULTILINE):
            if not symbol.startswith("weir_"):
                yield Finding(path, 0, f"the symbol {symbol} has no prefix weir_")


RULES = {
    "licence": check_licence,
    "format": check_format,
    "columns": check_columns,
    "leftovers": check_leftovers,
    "lists": check_lists,
    "parallel": check_parallel,
    "symbols": check_symbols,
}
