# SPDX-License-Identifier: MIT
"""What the style checks know of the tree: its files, and C source taken apart.

The reader is a scanner, not a parser. It relies on clang-format having been there: a function's
body opens with a brace alone in column 0 and ends with the next one that closes in column 0.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SKIPPED_FOLDERS = {".git", "build", "bench-results", "__pycache__"}
TOKEN = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """A place where a rule does not hold."""

    path: str
    line: int
    message: str


@dataclass(frozen=True)
class Function:
    """A function with a body; lines count from 1."""

    name: str
    signature: str
    first: int  # Line of the signature.
    last: int   # Line of the closing brace.
    body: str   # Between the braces, without comments and strings.
    body_line: int


def blank(text):
    """The text as blanks, so that lines and columns stay where they are."""
    return re.sub(r"[^\n]", " ", text)


def strip(text, strings=True):
    """Source without comments and, if asked, without the insides of strings."""

    def replace(match):
        token = match.group(0)
        if token.startswith(("/*", "//")):
            return blank(token)
        return token[0] + blank(token[1:-1]) + token[-1] if strings else token

    return TOKEN.sub(replace, text)


class File:
    """One file of the tree."""

    def __init__(self, root, path):
        self.path = path  # Relative, with slashes.
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")

    @property
    def name(self):
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_c(self):
        return self.name.endswith((".c", ".h"))

    @property
    def is_source(self):
        return self.name.endswith((".c", ".h", ".cc"))

    @property
    def is_public(self):
        return "/include/weir/" in self.path

    @cached_property
    def lines(self):
        return self.text.split("\n")

    @cached_property
    def code(self):
        """Without comments."""
        return strip(self.text, strings=False)

    @cached_property
    def bare(self):
        """Without comments and without the insides of strings."""
        return strip(self.text)

    @cached_property
    def functions(self):
        return list(find_functions(self.bare.split("\n")))

    def matches(self, pattern, text=None):
        """(line, match) of each match in the text, by default the whole file."""
        text = self.text if text is None else text
        for match in re.finditer(pattern, text, re.MULTILINE):
            yield text.count("\n", 0, match.start()) + 1, match


def find_functions(lines):
    for opening, line in enumerate(lines):
        if line.rstrip() != "{":
            continue
        first = opening
        while first > 0 and lines[first - 1].strip() and not re.search(r"[;}]\s*$|^#",
                                                                        lines[first - 1]):
            first -= 1
        signature = " ".join(part.strip() for part in lines[first:opening])
        name = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", signature))
        closing = next((i for i in range(opening, len(lines)) if lines[i].startswith("}")), None)
        if not name or closing is None:
            continue
        yield Function(name.group(1), signature, first + 1, closing + 1,
                       "\n".join(lines[opening + 1:closing]), opening + 2)


class Tree:
    """The files of the project under a root."""

    def __init__(self, root):
        self.root = Path(root)
        self.files = [File(self.root, path) for path in sorted(self._paths(self.root))]
        self.by_path = {file.path: file for file in self.files}

    def _paths(self, folder):
        for entry in folder.iterdir():
            if entry.name in SKIPPED_FOLDERS or entry.name.startswith("build-"):
                continue
            if entry.is_dir():
                yield from self._paths(entry)
            elif entry.is_file():
                yield entry.relative_to(self.root).as_posix()

    def under(self, *folders):
        """Sources under these folders."""
        prefixes = tuple(folder + "/" for folder in folders)
        return [f for f in self.files if f.is_source and f.path.startswith(prefixes)]

    @property
    def sources(self):
        return [file for file in self.files if file.is_source]

    @property
    def library(self):
        return self.under("core", "uring", "compat", "zlib")

    def exists(self, path):
        return (self.root / path).exists()
