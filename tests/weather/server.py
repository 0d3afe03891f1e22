# SPDX-License-Identifier: MIT
"""weir-echo as the tests see it: a process that is started, asked and measured from outside."""

import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import time

START_S = 10  # For a server to say where it listens; sanitizers are slow.
END_S = 20  # For a server to end, the grace included.


class Server:
    """A running weir-echo. As a context it is killed at the end, if it still runs."""

    def __init__(self, program, *arguments, descriptors=None, environment=None):
        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=limit, env={**os.environ, **(environment or {})})
        self.errors = b""  # What it wrote to stderr.
        os.set_blocking(self.process.stderr.fileno(), False)
        try:
            self.address = self._wait_for_address()
        except Exception:
            self.kill()
            raise

    def _wait_for_address(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_S)
        line = self.process.stdout.readline().decode() if ready else ""
        match = re.fullmatch(r"listening on \[?([^\]]+?)\]?:(\d+)\n", line)
        if not match:
            self.process.kill()
            raise AssertionError(f"no address but {line!r}; {self.process.stderr.read()!r}")
        return match[1], int(match[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    # What a client does.

    def connect(self, timeout_s=10.0):
        return socket.create_connection(self.address, timeout=timeout_s)

    def echoes(self, data=b"still here"):
        """Fail unless a new connection gets its bytes back."""
        with self.connect() as client:
            client.sendall(data)
            assert receive(client, len(data)) == data

    # What the system says of it.

    def path(self, name):
        return f"/proc/{self.process.pid}/{name}"

    def cpu_s(self):
        """Seconds of processor time so far, exactly, over all its threads."""
        total_ns = 0
        for thread in os.listdir(self.path("task")):
            with open(self.path(f"task/{thread}/schedstat")) as file:
                total_ns += int(file.read().split()[0])
        return total_ns / 1e9

    def cpu_share(self, seconds):
        """The share of one processor it uses over the next seconds."""
        begin_cpu, begin = self.cpu_s(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_s() - begin_cpu) / (time.monotonic() - begin)

    def descriptors(self):
        return len(os.listdir(self.path("fd")))

    def settles_at(self, count, timeout_s=10.0):
        """Whether the number of its descriptors becomes count."""
        return wait_until(lambda: self.descriptors() <= count, timeout_s)

    def resident_bytes(self):
        with open(self.path("statm")) as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def where_it_is(self):
        """What each thread does in the kernel, and what the tasks wait for, if it still says so."""
        threads = []
        for thread in os.listdir(self.path("task")):
            with open(self.path(f"task/{thread}/syscall")) as file:
                threads.append(file.read().strip())
        self.send_signal(signal.SIGUSR1)
        try:
            return threads, self.read_errors(rb"\d+ tasks?\n")
        except AssertionError as error:
            return threads, str(error)

    # Signals, and the end.

    def send_signal(self, number):
        self.process.send_signal(number)

    def read_errors(self, pattern, timeout_s=10.0):
        """Wait until stderr matches; returns what it holds."""
        def matches():
            self.errors += self.process.stderr.read() or b""
            return re.search(pattern, self.errors)

        if not wait_until(matches, timeout_s):
            raise AssertionError(f"stderr has no {pattern!r}: {self.errors!r}")
        return self.errors.decode()

    def end(self, number=signal.SIGTERM):
        """Stop it. Returns its summary: connections, messages, bytes."""
        self.send_signal(number)
        return self.wait_for_end()

    def wait_for_end(self):
        try:
            status = self.process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end: {self.where_it_is()}") from None
        self.errors += self.process.stderr.read() or b""
        if status != 0:
            raise AssertionError(f"exit status {status}: {self.errors.decode()}")
        last = self.process.stdout.read().decode()
        match = re.fullmatch(r"served (\d+) connections, (\d+) messages, (\d+) bytes.*\n", last)
        if not match:
            raise AssertionError(f"no summary but {last!r}")
        return tuple(int(number) for number in match.groups())


def wait_until(condition, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def receive(client, count):
    """Bytes from the socket until there are count, or the peer ends."""
    data = bytearray()
    while len(data) < count:
        part = client.recv(min(count - len(data), 1 << 16))
        if not part:
            break
        data += part
    return bytes(data)


def reset(client):
    """Close so that the peer gets a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def fill(client, data=b"x" * 65536):
    """Write until the server, whose echo nobody reads, takes no more. Returns the bytes taken."""
    client.setblocking(False)
    taken = 0
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 0.2:
        try:
            taken += client.send(data)
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    return taken
