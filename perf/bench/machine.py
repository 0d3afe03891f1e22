# SPDX-License-Identifier: MIT
"""What figures depend on besides the programs: machine, others on it, compiler, libraries."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

BUSY_SHARE_MAX = 0.05
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 180  # for the others to end, of all rounds together
PACKAGES = ("libuv", "liburing")


def machine_facts(programs):
    """programs: the folder of those that are measured."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in cpuinfo,
        "busy_before": busy_share(LOOK_SECONDS),
        "versions": versions(programs.parent / "CMakeCache.txt"),
    }


def facts_print(facts):
    virtual = ", virtual machine" if facts["virtual"] else ""
    print(f"{facts['kernel']}, {facts['cpu']}, {facts['cores']} cores{virtual}, {facts['time']}")
    if facts.get("versions"):
        print("; ".join(facts["versions"]))
    if facts["busy_before"] > BUSY_SHARE_MAX:
        print(f"{100 * facts['busy_before']:.0f} % busy with something else: expect wide intervals")


# ---- Who else uses it


def busy_share(seconds):
    """How much of the machine others use while we sleep, its hypervisor included: 0 to 1."""

    def times():
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        user, nice, system, idle, iowait, *rest = map(int, fields)
        return idle + iowait, user + nice + system + sum(rest)

    idle, busy = times()
    time.sleep(seconds)
    idle, busy = times()[0] - idle, times()[1] - busy
    return busy / max(1, idle + busy)


class Others:
    """Before a round: wait until the others have ended, but in a whole run not longer than this."""

    def __init__(self, patience=PATIENCE_SECONDS, share=busy_share, clock=time.monotonic):
        self.left, self.share, self.clock = patience, share, clock

    def __call__(self):
        """What they use at last."""
        begin = self.clock()
        while True:
            busy, waited = self.share(LOOK_SECONDS), self.clock() - begin
            if busy <= BUSY_SHARE_MAX or waited > self.left:
                self.left = max(0, self.left - waited + LOOK_SECONDS)
                return busy


# ---- What the programs were made of


def versions(cache):
    """Compiler, its flags, libraries; as far as they are known."""
    try:
        settings = dict(re.findall(r"^([A-Za-z_]+):[A-Z]+=(.*)$", cache.read_text(), re.MULTILINE))
    except OSError:
        settings = {}
    found = [compiler_text(settings), asio_text(settings.get("ASIO_INCLUDE_DIR"))]
    found += [f"{name} {version}" for name in PACKAGES
              for version in [said("pkg-config", "--modversion", name)] if version]
    return [text for text in found if text]


def said(*command):
    """The first line of what a program prints; nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.split("\n")[0].strip() if done.returncode == 0 else ""


def compiler_text(settings):
    compiler = settings.get("CMAKE_C_COMPILER")
    if not compiler:
        return ""
    name = said(os.path.realpath(compiler), "--version")  # Of a link, it may be called cc.
    name = re.sub(r"\s*\(.*?\)", "", re.sub(r"^\S*(gcc|clang)\S*", r"\1", name))
    kind = settings.get("CMAKE_BUILD_TYPE", "").upper()
    return f"{name} {settings.get(f'CMAKE_C_FLAGS_{kind}', '')}".strip()


def asio_text(folder):
    try:
        header = (Path(folder or "/nowhere") / "asio/version.hpp").read_text()
    except OSError:
        return ""
    found = re.search(r"^#define ASIO_VERSION (\d+)", header, re.MULTILINE)
    number = int(found[1]) if found else 0
    return f"Asio {number // 100000}.{number // 100 % 1000}.{number % 100}" if number else ""
