# SPDX-License-Identifier: MIT
"""The processes of a benchmark: a server, perhaps under a tool, and the client that loads it.

Whatever is started here ends here: a server is a context manager, every wait has a time limit, and
a child receives SIGKILL from the kernel should this process die without cleaning up.
"""

import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30  # a server under callgrind takes a second or two
STOP_SECONDS = 30
CLIENT_GRACE_SECONDS = 30
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """A measurement that cannot be trusted, or could not be taken."""


@contextmanager
def measuring():
    """What the system refuses, and a tool that fails, is a measurement that could not be taken."""
    try:
        yield
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise BenchError(f"{type(error).__name__}: {error}") from error


def _child_prepare(cpu):
    """What runs in the child between fork and exec; cpu: a core, several, or None, which is all."""

    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu} if isinstance(cpu, int) else cpu)

    return prepare


def user_ticks_ns(pid):
    """The part of a process's run time that its own code has had, by the ticks of the system, in
    whole hundredths of a second: too coarse for a short time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_clock(pid):
    """The run time of a process in nanoseconds, all its threads together.

    The same account as the first field of /proc/PID/schedstat summed over its tasks; the file lags
    behind by up to a timer tick while a task runs, the clock does not.
    """
    clock = ctypes.c_int()
    error = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error != 0:
        raise BenchError(f"no CPU clock of process {pid}: {os.strerror(error)}")
    return time.clock_gettime_ns(clock.value)


class Server:
    """A running echo server.

    `wrapper` precedes its command: a tool that replaces itself by the server, or, if `traced`, one
    that runs the server as its child.
    """

    def __init__(self, command, cpu=None, wrapper=(), traced=False):
        self.command = [*wrapper, *(str(part) for part in command)]
        self.wrapper = wrapper
        self.cpu = cpu
        self.traced = traced
        self.output = ""

    def __enter__(self):
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            bufsize=1,
            start_new_session=True,
            preexec_fn=_child_prepare(self.cpu),
        )
        self.pid = self.process.pid
        try:
            self.address = self._address_read()
            if self.traced:
                self.pid = self._child_find()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            try:
                self._stop()
            finally:
                self._kill()
        else:
            self._kill()

    def _address_read(self):
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if readable else ""
        found = re.fullmatch(r"listening on (\S+:\d+)\s*", line)
        if not found:
            raise self._failure("did not say where it listens")
        return found[1]

    def _child_find(self):
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        if len(children) != 1:
            raise self._failure("is not the only child of its tracer")
        return int(children[0])

    def _failure(self, what):
        self.errors.seek(0)
        said = self.errors.read().strip().splitlines()[-3:]
        return BenchError(" ".join(self.command) + f": {what}: " + " / ".join(said))

    def _stop(self):
        """Ask the server to end and require that it does so with 0."""
        try:
            os.kill(self.pid, signal.SIGTERM)
            self.output = self._output_await()
        except ProcessLookupError:
            raise self._failure("ended before its time") from None
        except subprocess.TimeoutExpired:
            raise self._failure("did not end on SIGTERM") from None
        if self.process.returncode != 0:
            raise self._failure(f"exited with {self.process.returncode}")

    def _output_await(self):
        """What the server says until it ends.

        valgrind does not know that io_uring_enter blocks, and looks for signals only now and then
        while the program runs: under a tool, connections keep it running until it does.
        """
        deadline = time.monotonic() + STOP_SECONDS
        while True:
            try:
                step = 1 if self.wrapper else STOP_SECONDS
                return self.process.communicate(timeout=step)[0]
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise
                self._nudge()

    def _nudge(self):
        host, port = self.address.rsplit(":", 1)
        try:
            for _ in range(1000):
                socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
        except OSError:
            pass  # It has stopped listening, as it should.

    def _kill(self):
        """The whole session, so that a traced server does not outlive its tracer."""
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def resident_bytes(self):
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = re.search(r"^Rss:\s+(\d+) kB", rollup, re.MULTILINE)
        if not found:
            raise self._failure("has no memory: it has ended")
        return int(found[1]) * 1024


@dataclass(frozen=True)
class Load:
    """What the client does: echoes over some connections, in a closed loop or at a rate."""

    connections: int
    size: int
    seconds: float
    warmup: float
    spins: bool = False  # the client looks for answers for a while before it sleeps
    rate: int = 0  # messages a second of all connections; 0: each when its answer is there


def client_run(program, server, load, cpu, during=lambda: None, options=()):
    """Load the server; `during` runs beside the client. Returns what the client wrote as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [str(program), "--connections", str(load.connections), "--size", str(load.size)]
        command += ["--duration", f"{load.seconds:g}", "--warmup", f"{load.warmup:g}"]
        command += [] if load.spins else ["--spin", "0"]
        command += ["--rate", str(load.rate)] if load.rate else []
        command += ["--json", str(result), *options, server.address]
        client = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_child_prepare(cpu),
        )
        try:
            during()
            limit = load.seconds + load.warmup + CLIENT_GRACE_SECONDS
            _, said = client.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise BenchError(" ".join(command) + ": did not end") from None
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()
        if client.returncode != 0:
            raise BenchError(" ".join(command) + f": exited with {client.returncode}: {said}")
        report = json.loads(result.read_text())
    if report["errors"] != 0:
        raise BenchError(" ".join(command) + f": {report['errors']} errors")
    if report["messages"] == 0:
        raise BenchError(" ".join(command) + ": no message was answered in time")
    return report
