# SPDX-License-Identifier: MIT
"""Rules about what is written for people: comments of public headers, paths and links."""

import posixpath
import re

from check_source import Finding

PATH = (r"(?<![\w/.<-])((?:core|uring|compat|tests|perf|examples|ci|docs|cmake)/"
        r"(?:[\w.-]+/)*[\w.-]*\w/?)(?![\w*<{/])")
PROTOTYPE = re.compile(r"^(?:WEIR_PUBLIC\b|extern\b)")
LINK = r"(?<!!)\[[^\]\n]*\]\(([^)\s#]+)(?:#[^)\s]*)?\)"


def check_doc_comments(tree):
    """Each public prototype has a comment above it, or is in a group directly under one."""
    for file in tree.files:
        if not file.is_public or not file.name.endswith(".h"):
            continue
        for index, line in enumerate(file.lines):
            if PROTOTYPE.match(line) and not is_documented(file.lines, index):
                name = re.search(r"(\w+)\s*[(;]", " ".join(file.lines[index:index + 3])
                                 .replace("WEIR_PRINTF(", ""))
                yield Finding(file.path, index + 1, f"{name.group(1)} has no comment above it")


def is_documented(lines, index):
    """Upwards through the group, whose members follow each other without a blank line."""
    while index > 0:
        above = lines[index - 1].strip()
        if above.endswith("*/") and not above.startswith("#"):
            return is_comment_line(lines, index - 1)
        if not above or above.startswith("#") or above in ("{", "}", "WEIR_C_BEGIN"):
            return False
        index -= 1
    return False


def is_comment_line(lines, index):
    """Whether the comment that ends here has its lines to itself."""
    while index >= 0:
        text = lines[index].strip()
        if text.startswith("/*"):
            return True
        if "/*" in text:
            return False
        index -= 1
    return False


def check_paths(tree):
    """A path of the project that a document or a comment names exists."""
    for file in tree.files:
        if file.name.endswith(".md"):
            text = file.text
        elif file.is_source:
            text = comments_of(file)
        else:
            continue
        for line, match in file.matches(PATH, text):
            path = match.group(1)
            is_named = "." in path.rsplit("/", 1)[-1] or path.endswith("/")
            if (is_named or file.name.endswith(".md")) and not tree.exists(path):
                yield Finding(file.path, line, f"{path} does not exist")


def comments_of(file):
    """The text with everything but comments blanked."""
    return "".join(char if kept == " " or char == "\n" else " "
                   for char, kept in zip(file.text, file.code))


def check_links(tree):
    """A relative link of a document leads somewhere."""
    for file in tree.files:
        if not file.name.endswith(".md"):
            continue
        for line, match in file.matches(LINK):
            target = match.group(1)
            if re.match(r"[a-z]+:", target):
                continue
            path = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), target))
            if not tree.exists(path):
                yield Finding(file.path, line, f"the link to {target} leads nowhere")


RULES = {
    "doc-comments": check_doc_comments,
    "doc-paths": check_paths,
    "doc-links": check_links,
}
