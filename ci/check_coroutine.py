# SPDX-License-Identifier: MIT
"""Rules about coroutines that no compiler knows.

A resume function is re-entered at every await, so a local does not survive one. The compilers catch
scalars (gcc -Wjump-misses-init, clang -Wsometimes-uninitialized); an array or a struct whose
address went into an await they do not, nor a local that is initialised before WEIR_BEGIN.

The scanner reads the body of every function that has WEIR_BEGIN as nested blocks of statements. A
declaration is a statement of the form "type name", with optional pointers, array and initialiser;
after clang-format nothing else looks like one.
"""

import re

from check_source import Finding

BEFORE_BEGIN = {"self", "r"}
FOR_HEADER = r"\bfor\s*\(\s*([^;]*)"
AWAIT = r"\bWEIR_(?:AWAIT|YIELD)\w*\s*\("
DECLARATION = re.compile(
    r"^(?:(?:static|const|volatile|register)\s+)*(?:(?:struct|union|enum)\s+)?"
    r"(?!return\b|goto\b|case\b|else\b|break\b|continue\b|do\b|sizeof\b|typedef\b)"
    r"[A-Za-z_]\w*(?:\s+const)?(?:\s+|\s*\*+\s*(?:const\s+)?)([A-Za-z_]\w*)\s*(?:[\[=,;]|$)")


def statements(body):
    """(position, depth, kind, text): "{" and "}" and what stands between them and semicolons."""
    depth = 0
    start = 0
    round_depth = 0
    for position, char in enumerate(body):
        round_depth += (char == "(") - (char == ")")
        if round_depth > 0 or char not in "{};":
            continue
        text = body[start:position]
        lead = len(text) - len(text.lstrip())
        if char == "}":
            depth -= 1
        yield start + lead, depth, char, text.strip()
        if char == "{":
            depth += 1
        start = position + 1


def declared(text):
    """The first name a statement declares, or None. Labels in front of it are cut off."""
    text = re.sub(r"^(?:[A-Za-z_]\w*\s*:\s*)+", "", text)
    header = re.search(FOR_HEADER, text)
    match = DECLARATION.match(header.group(1) if header else text)
    return match.group(1) if match else None


def coroutines(tree):
    for file in tree.sources:
        for function in file.functions:
            if re.search(r"\bWEIR_BEGIN\s*\(", function.body):
                yield file, function


def line_of(function, position):
    return function.body_line + function.body.count("\n", 0, position)


def block_end(body, position):
    """Where the block that a position stands in ends."""
    depth = 0
    for end in range(position, len(body)):
        depth += (body[end] == "{") - (body[end] == "}")
        if depth < 0:
            return end
    return len(body)


def scope_end(body, position, kind, text):
    """Where the scope of what a statement declares ends."""
    if not re.search(FOR_HEADER, text):
        return block_end(body, position)
    if kind == "{":
        return block_end(body, position + len(text) + body[position + len(text):].index("{") + 1)
    return position + len(text)


def check_locals(tree):
    """A coroutine has self and r before WEIR_BEGIN, and no other local that can see an await."""
    for file, function in coroutines(tree):
        body = function.body
        begin = re.search(r"\bWEIR_BEGIN\s*\(", body).start()
        for position, _, kind, text in statements(body):
            name = declared(text)
            if name is None:
                continue
            line = line_of(function, position)
            if position < begin:
                if name not in BEFORE_BEGIN:
                    yield Finding(file.path, line, f"'{name}' stands before WEIR_BEGIN")
            elif re.search(AWAIT, body[position:scope_end(body, position, kind, text)]):
                yield Finding(file.path, line, f"'{name}' does not survive the await below it")


def check_address(tree):
    """No await is given the address of a local: the operation would outlive it."""
    for file, function in coroutines(tree):
        for match in re.finditer(AWAIT, function.body):
            arguments = call_arguments(function.body, match.end())
            for address in re.finditer(r"(?<!&)&\s*\(*\s*(\w+)\b(?!\s*->)", arguments):
                if address.group(1) not in known_places(function):
                    continue
                yield Finding(file.path, line_of(function, match.end() + address.start()),
                              f"the address of the local '{address.group(1)}' in an await")


def known_places(function):
    """Locals and parameters: what lives on the stack of a resume function."""
    names = {declared(text) for _, _, _, text in statements(function.body)}
    parameters = function.signature[function.signature.index("("):]
    return (names | set(re.findall(r"(\w+)\s*[,)]", parameters))) - {None}


def call_arguments(body, start):
    depth = 1
    for end in range(start, len(body)):
        depth += (body[end] == "(") - (body[end] == ")")
        if depth == 0:
            return body[start:end]
    return body[start:]


def check_switch(tree):
    """No await inside a switch of the function's own: its case would belong to that.

    tests/misuse does it on purpose, to see it abort.
    """
    for file, function in coroutines(tree):
        if str(file.path).startswith("tests/misuse/"):
            continue
        for match in re.finditer(r"\bswitch\s*\(", function.body):
            opening = function.body.find("{", match.start())
            inside = function.body[opening + 1:block_end(function.body, opening + 1)]
            for found in re.finditer(AWAIT, inside):
                yield Finding(file.path, line_of(function, opening + 1 + found.start()),
                              "an await inside a switch")


RULES = {
    "coroutine-locals": check_locals,
    "coroutine-address": check_address,
    "coroutine-switch": check_switch,
}
