#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad weather on weir-echo, driven from outside, on the loopback and on each backend.

    test_weather.py --server PROGRAM [--sanitized] [unittest's arguments]

WEIR_WEATHER=short in the environment makes fewer rounds of what is slow. A backend that this
machine lacks is skipped.
"""

import argparse
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from crowd import Crowd
from server import Server, fill, receive, reset, wait_until

IS_SHORT = os.environ.get("WEIR_WEATHER") == "short"
options = argparse.Namespace()


class Weather:
    """The tests, for a subclass that names the backend."""

    backend = ""

    @classmethod
    def setUpClass(cls):
        probe = subprocess.run(
            [options.server, "--backend", cls.backend, "--host", "192.0.2.1"],
            capture_output=True, text=True, check=False)
        if "listen" not in probe.stderr:
            raise unittest.SkipTest(f"this machine has no {cls.backend}: {probe.stderr}")

    def serve(self, *arguments, **keywords):
        server = Server(options.server, "--backend", self.backend, *arguments, **keywords)
        self.addCleanup(server.kill)
        return server

    def check_settled(self, server, descriptors):
        self.assertTrue(server.settles_at(descriptors),
                        f"{server.descriptors()} descriptors, {descriptors} at the start")

    # Clients that behave badly.

    def test_clients_that_reset_mid_write_hurt_nobody_else(self):
        server = self.serve()
        before = server.descriptors()
        with Crowd(server, 4, message_bytes=2000) as crowd:
            for _ in range(20):
                clients = [server.connect() for _ in range(10)]
                for client in clients:
                    client.setblocking(False)
                    try:
                        while True:
                            client.send(b"x" * 65536)
                    except BlockingIOError:
                        pass
                crowd.run_for(0.005)
                for client in clients:
                    reset(client)
            echoes = crowd.echoes
            self.assertTrue(crowd.run_until(lambda: crowd.echoes > echoes + 100, 10))
            self.assertEqual(crowd.live, 4)
        self.check_settled(server, before)
        server.end()

    def test_a_client_that_half_closes_gets_every_byte_back(self):
        server = self.serve()
        data = os.urandom(3_000_000)
        for size in (1, 1000, len(data)):
            with server.connect() as client:
                def send(client=client, size=size):
                    client.sendall(data[:size])
                    client.shutdown(socket.SHUT_WR)
                sender = threading.Thread(target=send)
                sender.start()
                self.assertEqual(receive(client, size + 1), data[:size])
                sender.join()
        _, _, count = server.end()
        self.assertEqual(count, 1001 + len(data))

    def test_clients_that_send_one_byte_at_a_time_get_each_back(self):
        server = self.serve()
        clients = [server.connect() for _ in range(5)]
        text = b"one byte at a time; " * (1 if IS_SHORT else 4)
        for place in range(len(text)):
            for client in clients:
                client.send(text[place:place + 1])
            time.sleep(0.005)
        for client in clients:
            self.assertEqual(receive(client, len(text)), text)
            client.close()
        connections, _, count = server.end()
        self.assertEqual((connections, count), (5, 5 * len(text)))

    def test_clients_that_never_read_make_nobody_spin_nor_wait(self):
        server = self.serve()
        before = server.descriptors()
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            self.assertGreater(fill(client), 65536)
        self.assertLess(server.cpu_share(1.0), 0.03)
        for _ in range(100):
            server.echoes()
        with Crowd(server, 10, echoes_each=100) as crowd:
            self.assertTrue(crowd.run_until(lambda: crowd.waiting == 0, 10))
        for client in clients:
            client.close()
        self.check_settled(server, before)
        server.end()

    def test_clients_that_never_read_are_lost_after_the_user_timeout(self):
        server = self.serve("--user-timeout", "300")
        before = server.descriptors()
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            fill(client)
        self.check_settled(server, before)  # They are still there; it is not.
        server.echoes()
        for client in clients:
            client.close()
        server.end()

    def test_one_that_begins_to_read_at_last_gets_every_byte(self):
        server = self.serve()
        with server.connect() as client:
            data = os.urandom(65536)
            taken = fill(client, data)
            client.settimeout(10)
            client.shutdown(socket.SHUT_WR)
            answer = receive(client, taken + 1)
        self.assertEqual(len(answer), taken)
        server.end()

    # Too many.

    def test_more_clients_than_descriptors_are_all_served_in_the_end(self):
        count = clients_possible()
        server = self.serve(descriptors=256)
        before = server.descriptors()
        with Crowd(server, count, echoes_each=1, closes=False) as crowd:
            crowd.run_until(lambda: crowd.waiting < count - 200, 10)
            crowd.run_for(0.5)
            self.assertGreater(crowd.waiting, count - 256)
            self.assertLess(server.cpu_share(1.0), 0.03)

            def all_served():
                crowd.leave()
                return crowd.waiting == 0
            self.assertTrue(crowd.run_until(all_served, 30), f"{crowd.waiting} never served")
            self.assertEqual(crowd.echoes, count)
        server.echoes()
        self.check_settled(server, before)
        connections, _, _ = server.end()
        self.assertEqual(connections, count + 1)

    # Signals.

    def stop_under_load(self, number, *arguments, message_bytes=1000):
        server = self.serve(*arguments)
        with Crowd(server, 64, message_bytes) as crowd:
            self.assertTrue(crowd.run_until(lambda: crowd.echoes > 1000, 20))
            self.assertEqual(crowd.live, 64)
            server.send_signal(number)
            begin = time.monotonic()
            self.assertTrue(crowd.run_until(lambda: crowd.live == 0, 20))
            connections, messages, count = server.wait_for_end()
            self.assertLess(time.monotonic() - begin, 5.0)
            # All that the server has read has come back; what it had not is not counted.
            self.assertEqual(count, crowd.received_bytes)
            self.assertEqual(connections, 64)
            self.assertGreaterEqual(messages, crowd.echoes)

    def test_sigterm_under_load_loses_nothing_that_was_read(self):
        self.stop_under_load(signal.SIGTERM)

    def test_sigterm_under_load_of_large_messages_loses_nothing_that_was_read(self):
        self.stop_under_load(signal.SIGTERM, message_bytes=100_000)

    def test_sigint_under_load_stops_all_threads(self):
        self.stop_under_load(signal.SIGINT, "--threads", "2")

    def test_a_second_sigterm_does_not_wait_for_one_that_never_reads(self):
        server = self.serve()
        with server.connect() as client:
            fill(client)
            server.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(server.process.poll())
            begin = time.monotonic()
            server.end()
            self.assertLess(time.monotonic() - begin, 1.0)

    @unittest.skipIf(IS_SHORT, "takes the grace's five seconds")
    def test_the_grace_ends_for_one_that_never_reads(self):
        server = self.serve()
        with server.connect() as client:
            fill(client)
            begin = time.monotonic()
            server.end()
            self.assertGreater(time.monotonic() - begin, 4.0)
            self.assertLess(time.monotonic() - begin, 7.0)

    def test_after_sigterm_nobody_is_accepted(self):
        server = self.serve()
        with server.connect() as client:
            fill(client)
            server.send_signal(signal.SIGTERM)

            def is_refused():
                try:
                    server.connect(0.2).close()
                    return False
                except OSError:
                    return True
            self.assertTrue(wait_until(is_refused, 5))
            server.end()

    def test_sigusr1_under_load_prints_the_tasks_and_goes_on(self):
        server = self.serve("--threads", "2")
        with Crowd(server, 20) as crowd:
            self.assertTrue(crowd.run_until(lambda: crowd.echoes > 100, 10))
            for _ in range(5):
                echoes = crowd.echoes
                server.send_signal(signal.SIGUSR1)
                self.assertTrue(crowd.run_until(lambda: crowd.echoes > echoes + 100, 10))
            self.assertEqual(crowd.live, 20)
            text = server.read_errors(rb"tasks of the \w+ loop of thread 1:\n[^$]*\d+ tasks\n")
            self.assertIn(f"tasks of the {self.backend} loop of thread 0:", text)
            self.assertRegex(text, r"server_resume.*weir_echo\.c:\d+")
            self.assertNotIn("silent", text)
        server.end()

    def test_sigusr1_prints_every_connection(self):
        server = self.serve()
        with Crowd(server, 20, echoes_each=1, closes=False) as crowd:
            self.assertTrue(crowd.run_until(lambda: crowd.waiting == 0, 10))
            server.send_signal(signal.SIGUSR1)
            text = server.read_errors(rb"tasks of the [^$]*\d+ tasks\n")
            lines = re.findall(r"session_resume at [^ ]*weir_echo\.c:\d+, waits for", text)
            self.assertEqual(len(lines), 20, text)
        server.end()

    def test_sigusr2_prints_what_each_loop_has_counted_and_goes_on(self):
        server = self.serve("--threads", "2")
        with Crowd(server, 20) as crowd:
            self.assertTrue(crowd.run_until(lambda: crowd.echoes > 1000, 10))
            server.send_signal(signal.SIGUSR2)
            server.send_signal(signal.SIGUSR1)  # While that is being printed, perhaps.
            echoes = crowd.echoes
            self.assertTrue(crowd.run_until(lambda: crowd.echoes > echoes + 100, 10))
            text = server.read_errors(rb"(?s)(?=.*statistics of the \w+ loop of thread 0:\n.*?\n\n)"
                                      rb"(?=.*statistics of the \w+ loop of thread 1:\n.*?\n\n)"
                                      rb"(?=.*loop of thread 0:\n[^$]*\d+ tasks\n)"
                                      rb"(?=.*loop of thread 1:\n[^$]*\d+ tasks\n)")
            self.assertNotIn("silent", text)
        blocks = re.findall(rf"statistics of the {self.backend} loop of thread (\d):\n(.*?)\n\n",
                            text, re.DOTALL)
        self.assertEqual(sorted(thread for thread, _ in blocks), ["0", "1"])
        counters = [dict(line.split(" ") for line in lines.split("\n")) for _, lines in blocks]
        total = {name: sum(int(one[name]) for one in counters) for name in counters[0]}
        self.assertGreater(total["iterations"], 0)
        self.assertGreater(total["completions"], 100)
        self.assertGreater(total["enters"], 10)
        self.assertGreaterEqual(total["frames_live"], 20)
        self.assertEqual(total["overflows"], 0)
        server.end()

    # Quiet, and long.

    def test_idle_it_uses_no_processor_time(self):
        server = self.serve("--threads", "2")
        with Crowd(server, 50, echoes_each=1, closes=False) as crowd:
            self.assertTrue(crowd.run_until(lambda: crowd.waiting == 0, 10))
            self.assertLess(server.cpu_share(1.0 if IS_SHORT else 3.0), 0.01)
        server.end()

    def test_short_connections_leave_nothing_behind(self):
        count = 2000 if IS_SHORT else 20000
        server = self.serve()
        before = server.descriptors()
        self.come_and_go(server, 1000)
        resident = server.resident_bytes()
        self.come_and_go(server, count)
        self.check_settled(server, before)
        if not options.sanitized:
            self.assertLess(server.resident_bytes() - resident, 1 << 20)
        connections, _, _ = server.end()
        self.assertEqual(connections, count + 1000)

    def come_and_go(self, server, count):
        """Half of them reset, which also spares this machine their TIME_WAITs."""
        for number in range(count):
            client = server.connect()
            client.send(b"hello")
            self.assertEqual(receive(client, 5), b"hello")
            if number % 2:
                reset(client)
            else:
                client.close()

    def test_an_ipv6_address_is_served(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f"this machine has no IPv6: {error}")
        server = self.serve("--host", "::1")
        server.echoes()
        server.end()


class UringWeather(Weather, unittest.TestCase):
    backend = "uring"


class EpollWeather(Weather, unittest.TestCase):
    backend = "epoll"


class CommandLine(unittest.TestCase):
    """What cannot work is said in one line."""

    def run_server(self, *arguments, environment=None, descriptors=None):
        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        return subprocess.run([options.server, *arguments], capture_output=True, text=True,
                              timeout=10, check=False, stdin=subprocess.DEVNULL, preexec_fn=limit,
                              env={**os.environ, **(environment or {})})

    def check_fails(self, status, expected, *arguments, **keywords):
        result = self.run_server(*arguments, **keywords)
        self.assertEqual(result.returncode, status, result)
        self.assertEqual(result.stdout, "", result)
        self.assertRegex(result.stderr, r"\Aweir-echo: [^\n]+\n\Z", result)
        self.assertIn(expected, result.stderr, result)

    def test_wrong_arguments_get_one_line_and_status_2(self):
        for expected, *arguments in (
                ("--port", "--port"),
                ("--port", "--port", ""),
                ("--port", "--port", "http"),
                ("--port", "--port", "80x"),
                ("--port", "--port", "-1"),
                ("--port", "--port", "65536"),
                ("--port", "--port", "99999999999999999999"),
                ("--threads", "--threads", "0"),
                ("--threads", "--threads", "65"),
                ("--threads", "--threads", "two"),
                ("--spin", "--spin", "-1"),
                ("--spin", "--spin", "1000001"),
                ("--user-timeout", "--user-timeout", "-1"),
                ("--user-timeout", "--user-timeout", "2147483648"),
                ("--host", "--host", "localhost.invalid"),
                ("--host", "--host", "1.2.3"),
                ("--host", "--host", ""),
                ("--backend", "--backend", "kqueue"),
                ("--backend", "--backend", ""),
                ("--host", "--port", "0", "--host"),
                ("--nonsense", "--nonsense", "1"),
                ("--nonsense", "--nonsense"),
                ("nonsense", "nonsense"),
                ("nonsense", "--port", "0", "nonsense"),
                ("nonsense", "nonsense", "--port", "0"),
                ("-p", "-p", "0"),
                ("''", "")):
            with self.subTest(arguments=arguments):
                self.check_fails(2, expected, *arguments)

    def test_a_wrong_environment_gets_one_line_and_status_2(self):
        self.check_fails(2, "kqueue", environment={"WEIR_BACKEND": "kqueue"})

    def test_help_is_not_an_error(self):
        for arguments in (("--help",), ("--port", "0", "--help")):
            result = self.run_server(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertTrue(result.stdout.startswith("usage: weir-echo "))

    def test_an_output_that_is_full_gets_one_line_and_status_1(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([options.server], stdout=full, stderr=subprocess.PIPE,
                                    text=True, timeout=10, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual((result.returncode, result.stderr),
                         (1, "weir-echo: standard output: no space is left on the device\n"))

    def test_a_port_in_use_gets_one_line_and_status_1(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            self.check_fails(1, "listen", "--port", port)
            self.check_fails(1, "listen", "--port", port, "--threads", "2")

    def test_an_address_of_another_machine_gets_one_line_and_status_1(self):
        self.check_fails(1, "listen", "--host", "192.0.2.1")

    @unittest.skipIf("--sanitized" in sys.argv, "a sanitizer needs descriptors, too")
    def test_too_few_descriptors_get_one_line_and_status_1(self):
        for count in range(4, 12):
            with self.subTest(descriptors=count):
                self.check_fails(1, "", "--threads", "64", "--host", "192.0.2.1",
                                 descriptors=count)


def clients_possible():
    """How many clients the descriptors of this process and the kernel's backlog allow: 2,000."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open("/proc/sys/net/core/somaxconn") as file:
        backlog = int(file.read())
    count = min(2000, hard - 100, backlog + 200)
    if count < 400:
        raise unittest.SkipTest("this process may not have enough descriptors")
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="the weir-echo to test")
    parser.add_argument("--sanitized", action="store_true", help="its memory grows by design")
    _, rest = parser.parse_known_args(namespace=options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
