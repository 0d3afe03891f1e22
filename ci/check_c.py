# SPDX-License-Identifier: MIT
"""Rules about C source: who may include whom, platforms, sizes, banned calls."""

import re
import statistics

from check_source import Finding

# The private headers a folder may include, own folder first.
PRIVATE = {
    "core/base": ("core/base",),
    "core/sys": ("core/sys", "core/base"),
    "core/task": ("core/task", "core/base"),
    "core/exec": ("core/exec", "core/task", "core/base", "core/sys"),
    "core/time": ("core/time", "core/task", "core/base"),
    "core/sync": ("core/sync", "core/task", "core/base", "core/sys"),
    "core/buffer": ("core/buffer", "core/base"),
    "core/stream": ("core/stream", "core/buffer", "core/exec", "core/task", "core/base"),
    "core/test": ("core/test",),
    "core/loop": ("core/loop", "core/exec", "core/task", "core/base", "core/sys"),
    "core/io": ("core/io", "core/stream", "core/loop", "core/exec", "core/time", "core/task",
                "core/base", "core/sys"),
    "zlib": ("zlib",),
    "uring": ("uring", "core/base", "core/sys"),
    "uring/native": ("uring/native", "uring", "core/io", "core/loop", "core/exec", "core/task",
                     "core/base", "core/sys"),
    "compat/reactor": ("compat/reactor", "core/base", "core/sys"),
    "compat/epoll": ("compat/epoll", "compat/reactor", "core/base", "core/sys"),
    "compat/sim": ("compat/sim", "core/base", "core/sys"),
    "compat": ("compat/epoll", "uring"),
}
SEAM = "core/loop/backend.h"  # All that a backend sees of the loop.
BACKENDS = ("uring", "compat/reactor", "compat/epoll", "compat/sim", "compat")

# The layer of each public header, and the layers whose public headers a layer may include.
PUBLIC = {
    "base": "assert buffer endpoint error export list memory option wheel",
    "task": "awaitable dump executor frame group scope stop task",
    "exec": "any_executor context inline_executor manual run strand subtree thread_pool",
    "time": "deadline sleep timeout",
    "sync": "channel event mutex semaphore shared_channel waker",
    "buffer": "dynamic_buffer matcher",
    "stream": "base64 buffer_sink buffer_source copy memory_stream stream stream_adapters",
    "zlib": "zlib",
    "loop": "loop operation",
    "sim": "sim",
    "io": "signal tcp tcp_sink tcp_source timer",
    "native": "uring/engine uring/tcp",
    "all": "stage_one weir",
    "test": "test/fail test/fuse test/grinder test/kit test/memory test/run test/script_buffers"
            " test/script_stream test/stream_pair",
}
STAGE_ONE = ("stream", "buffer", "sync", "time", "exec", "task", "base")
BELOW = {
    "base": ("base",),
    "sys": ("base",),
    "task": ("task", "base"),
    "exec": ("exec", "task", "base"),
    "time": ("time", "task", "base"),
    "sync": ("sync", "task", "base"),
    "buffer": ("buffer", "base"),
    "stream": ("stream", "buffer", "exec", "task", "base"),
    "test": ("test", "all", *STAGE_ONE),
    "zlib": ("zlib", *STAGE_ONE),
    "loop": ("loop", "buffer", "exec", "task", "base"),
    "io": ("io", "loop", *STAGE_ONE),
    "native": ("native", "io", "loop", *STAGE_ONE),
    "all": ("all", "io", "loop", *STAGE_ONE),
    "backend": ("base",),  # The rest comes with the seam.
    "sim": ("sim", "loop", "exec", "task", "base"),  # It also runs programs.
}
LAYER_OF = {f"weir/{name}.h": layer for layer, names in PUBLIC.items() for name in names.split()}

ISO_HEADERS = set("""assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp
    signal stdalign stdarg stdbool stddef stdint stdio stdlib stdnoreturn string tgmath time uchar
    wchar wctype""".split())

BACKEND_NAME = r"(?i)(?<![a-z])(?:io_?uring|uring|epoll|kqueue|iocp)(?![a-z])"

BANNED = r"\b(strcpy|strcat|strtok|sprintf|vsprintf|gets|atoi|atol|atof|assert)\s*\("
SLEEPS = r"\b(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)\s*\("
MEMORY = r"\b(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|free)\s*\("
MAY_ALLOCATE = {
    "core/base/memory.c",  # The heap.
    "core/loop/loop.c",  # Loops, made with new,
    "core/exec/thread_pool.c",  # as are pools,
    "uring/backend.c",  # and backends.
    "compat/epoll/backend.c",
    "compat/reactor/reactor.c",  # Descriptors by number.
    "core/loop/lending.c",  # Buffers that backends lend.
    "core/loop/zero_copy.c",  # Records of chunks,
    "core/io/tcp_zero_copy.c",  # and of writes.
    "core/io/tcp_acceptor.c",  # The queue of accepted descriptors.
    "core/sys/posix_fiber.c",  # Fibers, which only worlds have.
    "compat/sim/network.c",  # sim_allocate, for worlds and all that is in them.
}
MAY_FREE = "compat/sim/"  # What sim_allocate gave,
MAY_GROW = {"compat/sim/agenda.c", "compat/sim/world.c"}  # and arrays of a world.

# A world takes nothing from outside: a seed is one history, on every machine.
DETERMINISTIC = "compat/sim"
UNDETERMINED = (r"\b(time|clock|clock_gettime|timespec_get|gettimeofday|s?rand|random|arc4random"
                r"|getrandom|getenv|getpid|qsort|bsearch|setlocale)\s*\("
                r"|\b(long\s+double|double|float)\b")

FUNCTION_LINES = 70
MEDIAN_LINES = 15
FILE_LINES = 800


def folder_of(path):
    folder = path.rsplit("/", 1)[0]
    return folder if folder in PRIVATE else None


def layer_of(file):
    if file.is_public:
        return LAYER_OF.get(file.path.split("/include/")[1])
    folder = folder_of(file.path)
    if folder in BACKENDS and folder != "compat/sim":
        return "backend"
    return folder.split("/")[-1] if folder else None


def check_layers(tree):
    """An include follows the layers, base <- task <- exec <- loop <- io; backends see the seam."""
    homes = {}
    for file in tree.library:
        if file.name.endswith(".h") and not file.is_public:
            homes.setdefault(file.name, []).append(file.path)

    for file in tree.library:
        layer = layer_of(file)
        if layer is None:
            yield Finding(file.path, 1, "stands in no layer; add it to the table in ci/check_c.py")
            continue
        for line, match in file.matches(r'^#\s*include\s*([<"])(.+?)[>"]', file.code):
            kind, name = match.groups()
            message = (public_include(file, layer, name) if kind == "<"
                       else private_include(file, name, homes.get(name, [])))
            if message:
                yield Finding(file.path, line, message)


def public_include(file, layer, name):
    if not name.startswith("weir/"):
        return None
    if name not in LAYER_OF:
        return f"<{name}> stands in no layer; add it to the table in ci/check_c.py"
    if LAYER_OF[name] not in BELOW[layer]:
        return f"{layer} may not include <{name}>, which is of {LAYER_OF[name]}"
    return None


def private_include(file, name, homes):
    if file.is_public:
        return f'a public header may not include "{name}"'
    folder = folder_of(file.path)
    if any(home.rsplit("/", 1)[0] in PRIVATE[folder] for home in homes):
        return None
    if SEAM in homes and folder in BACKENDS:
        return None
    return f'{folder} may not include "{name}", which is of {", ".join(homes) or "nobody"}'


def check_system_headers(tree):
    """core and the simulator include no operating system header, but in the sources of core/sys."""
    for file in tree.under("core", "compat/sim"):
        if file.path.startswith("core/sys/") and file.name.endswith(".c"):
            continue
        for line, match in file.matches(r"^#\s*include\s*<([\w/.]+)>", file.code):
            name = match.group(1)
            if not name.startswith("weir/") and name.removesuffix(".h") not in ISO_HEADERS:
                yield Finding(file.path, line, f"<{name}> is no header of ISO C")


def check_backend_names(tree):
    """Nothing in core names a backend, outside comments."""
    for file in tree.under("core"):
        for line, match in file.matches(BACKEND_NAME, file.code):
            yield Finding(file.path, line, f"'{match.group(0)}' is named above the seam")


def check_conditionals(tree):
    """Conditional compilation lives in core/sys; elsewhere only guards and __cplusplus."""
    for file in tree.sources:
        if file.path.startswith("core/sys/") or file.path in (
                "core/include/weir/export.h", "uring/compat_liburing.h"):
            continue
        for line, match in file.matches(r"^[ \t]*#\s*(if|ifdef|ifndef|elif)\b(.*)", file.code):
            directive, condition = match.group(1), match.group(2).strip()
            following = file.lines[line] if line < len(file.lines) else ""
            is_guard = directive == "ifndef" and following.split()[:2] == ["#define", condition]
            if not is_guard and (directive, condition) != ("ifdef", "__cplusplus"):
                yield Finding(file.path, line, f"#{directive} {condition}")


def check_lengths(tree):
    """Functions have at most 70 lines (more need a comment with "Long:" above), files 800."""
    product = []
    for file in tree.sources:
        if len(file.lines) > FILE_LINES:
            yield Finding(file.path, FILE_LINES, f"{len(file.lines)} lines; one concept a file")
        for function in file.functions:
            length = function.last - function.first + 1
            if file in tree.library:
                product.append(length)
            if length > FUNCTION_LINES and not has_reason(file, function):
                yield Finding(file.path, function.first, f"{function.name} has {length} lines")
    if product and statistics.median(product) >= MEDIAN_LINES:
        yield Finding("core", 0, f"the median function has {statistics.median(product)} lines")


def has_reason(file, function):
    line = function.first - 2
    while line >= 0 and re.match(r"\s*(/\*|\*|//)", file.lines[line]):
        if "Long:" in file.lines[line]:
            return True
        line -= 1
    return False


def check_banned(tree):
    """Calls that have a better word; allocation only where it is expected; no test sleeps."""
    for file in tree.sources:
        patterns = [BANNED]
        if file.path.startswith("tests/"):
            patterns.append(SLEEPS)
        if file in tree.library and file.path not in MAY_ALLOCATE:
            patterns.append(memory_banned(file.path))
        for pattern in patterns:
            for line, match in file.matches(r"(?<![>.])" + pattern, file.bare):
                yield Finding(file.path, line, f"{match.group(1)} is not called here")


def memory_banned(path):
    """The calls of the heap that a file may not make."""
    allowed = []
    if path.startswith(MAY_FREE):
        allowed.append("free")
    if path in MAY_GROW:
        allowed.append("realloc")
    return r"(?!(?:%s)\s*\()%s" % ("|".join(allowed), MEMORY) if allowed else MEMORY


def check_determinism(tree):
    """The simulator asks nobody but its seed: no clock, no environment, no sorting of equals."""
    for file in tree.under(DETERMINISTIC):
        for line, match in file.matches(r"(?<![>.])(?:" + UNDETERMINED + ")", file.bare):
            yield Finding(file.path, line, f"{match.group(1) or match.group(2)} differs elsewhere")
        for line, _ in file.matches(r"\"[^\"\n]*%p", file.code):
            yield Finding(file.path, line, "an address differs elsewhere")


def check_thread_locals(tree):
    """core has one thread-local, weir_thread, which simulated worlds exchange; core/sys its own."""
    for file in tree.under("core"):
        if file.path.startswith(("core/base/thread.", "core/sys/")):
            continue
        for line, match in file.matches(r"\b(_Thread_local|thread_local|__thread)\b", file.bare):
            yield Finding(file.path, line, f"{match.group(1)} stands outside of core/base/thread.h")


RULES = {
    "layers": check_layers,
    "system-headers": check_system_headers,
    "backend-names": check_backend_names,
    "conditionals": check_conditionals,
    "lengths": check_lengths,
    "banned": check_banned,
    "determinism": check_determinism,
    "thread-locals": check_thread_locals,
}
