# SPDX-License-Identifier: BSD-3-Clause
"""The client of the demo and the end-to-end tests. It resolves a name, fetches a page from each
address in turn, and opens a TCP connection to each address every few milliseconds, which tells to
the millisecond when one was out. Driven by lines on stdin, answers with JSON lines on stdout:

    mark      starts a new record             -> {"now": MONOTONIC}
    status    who answered when?              -> {"now", "silent_ms": {address: ms since an answer}}
    report    the record since the mark       -> see Client.report()
    quit
"""

import argparse
import collections
import errno
import json
import os
import select
import socket
import struct
import sys
import time

LINGER_RESET = struct.pack("ii", 1, 0)
GAP = 0.010             # a hole this long between two answers is kept, unless told otherwise
MILLISECOND = 0.001


def resolve(name, port):
    """The addresses of a name, as the system's resolver orders them."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, sockaddr) for family, _, _, _, sockaddr in found))


class Connection:
    """One attempt, a probe or a request."""
    __slots__ = ("socket", "target", "started", "deadline", "request", "data", "sent")


class Client:
    """One epoll loop. Probes and requests start on a fixed grid of time, whatever becomes of the
    ones before (no coordinated omission); each ends by an answer, an error or its deadline."""

    def __init__(self, targets, probe_interval, request_interval, probe_timeout, request_timeout,
                 gap=GAP):
        self.targets = targets
        self.names = [sockaddr[0] for _, sockaddr in targets]
        self.probe_interval = probe_interval / len(targets)
        self.request_interval = request_interval
        self.probe_timeout = probe_timeout
        self.request_timeout = request_timeout
        self.gap = gap
        self.poll = select.epoll()
        self.open = {}
        self.deadlines = {False: collections.deque(), True: collections.deque()}
        self.next_probe = self.next_request = time.monotonic()
        self.probe_turn = self.request_turn = 0
        self.last_answer = [None] * len(targets)
        self.late = 0.0
        self.reset()

    def reset(self):
        """A new record."""
        self.marked = time.monotonic()
        self.requests = []
        self.gaps = []
        self.probes = [0] * len(self.targets)
        self.answers = [0] * len(self.targets)
        self.late = 0.0
        self.out_of_ports = 0

    # One attempt

    def start(self, target, request, now):
        """Opens a connection."""
        family, sockaddr = self.targets[target]
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection = Connection()
        connection.socket = sock
        connection.target = target
        connection.request = request
        connection.started = now
        connection.deadline = now + (self.request_timeout if request else self.probe_timeout)
        connection.data = b""
        connection.sent = False
        if not request:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            self.probes[target] += 1
        error = sock.connect_ex(sockaddr)
        if error not in (0, errno.EINPROGRESS):
            if error == errno.EADDRNOTAVAIL:
                self.out_of_ports += 1
            self.finish(connection, now, os.strerror(error))
            return
        self.open[sock.fileno()] = connection
        self.deadlines[request].append(connection)
        self.poll.register(sock.fileno(), select.EPOLLOUT)

    def finish(self, connection, now, error):
        """Closes it and writes down what came of it."""
        target = connection.target
        sock = connection.socket
        if sock.fileno() in self.open:
            del self.open[sock.fileno()]
            self.poll.unregister(sock.fileno())
        sock.close()
        connection.socket = None
        if connection.request:
            node = None
            if error is None:
                node = connection.data.rpartition(b"\r\n\r\n")[2].decode("ascii", "replace").strip()
            if connection.started >= self.marked:
                self.requests.append((round(connection.started, 6), round(now, 6), target,
                                      node, error))
            return
        if error is not None:
            return
        self.answers[target] += 1
        before = self.last_answer[target]
        self.last_answer[target] = now
        if before is not None and now - before > self.gap and now >= self.marked:
            self.gaps.append((round(before, 6), round(now, 6), target))

    def progress(self, connection, now):
        """The socket is ready for the next step."""
        sock = connection.socket
        if not connection.sent:
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error or not connection.request:
                self.finish(connection, now, os.strerror(error) if error else None)
                return
            try:
                sock.send(b"GET / HTTP/1.0\r\nHost: www.example.test\r\n\r\n")
            except OSError as failure:
                self.finish(connection, now, failure.strerror)
                return
            connection.sent = True
            self.poll.modify(sock.fileno(), select.EPOLLIN)
            return
        try:
            data = sock.recv(65536)
        except OSError as failure:
            self.finish(connection, now, failure.strerror)
            return
        connection.data += data
        if not data:
            good = connection.data.startswith(b"HTTP/1.1 200 ")
            self.finish(connection, now, None if good else "cut off")

    # The loop

    def expire(self, now):
        """Gives up what is overdue."""
        for queue in self.deadlines.values():
            while queue and (queue[0].socket is None or queue[0].deadline <= now):
                connection = queue.popleft()
                if connection.socket is not None:
                    self.finish(connection, now, "no answer in time")

    def start_due(self, now):
        """Starts what the grid says."""
        if now - self.next_probe > self.late:
            self.late = now - self.next_probe
        while self.next_probe <= now:
            self.next_probe += self.probe_interval
            self.start(self.probe_turn, False, now)
            self.probe_turn = (self.probe_turn + 1) % len(self.targets)
        while self.request_interval and self.next_request <= now:
            self.next_request += self.request_interval
            self.start(self.request_turn, True, now)
            self.request_turn = (self.request_turn + 1) % len(self.targets)

    def run(self):
        """Until quit or the end of stdin."""
        self.poll.register(0, select.EPOLLIN)
        while True:
            now = time.monotonic()
            self.start_due(now)
            wait = max(0.0, min(self.next_probe - time.monotonic(), MILLISECOND))
            for descriptor, _ in self.poll.poll(wait):
                now = time.monotonic()
                if descriptor == 0:
                    if not self.command():
                        return
                elif descriptor in self.open:
                    self.progress(self.open[descriptor], now)
            self.expire(time.monotonic())

    # The other end of the pipe

    def command(self):
        """Reads one command; False ends the client."""
        line = sys.stdin.readline().strip()
        if line == "mark":
            self.reset()
            self.reply({"now": self.marked})
        elif line == "status":
            now = time.monotonic()
            self.reply({"now": now, "silent_ms": {
                name: None if last is None else round((now - last) * 1e3, 3)
                for name, last in zip(self.names, self.last_answer)}})
        elif line == "report":
            self.reply(self.report())
        else:
            return False
        return True

    def report(self):
        """The record: each request as [started, ended, address, node that served or null, error or
        null], each gap of more than --gap between two answered probes as [last answer, next answer,
        address], the probes sent and answered, requests still open, and how late the loop was."""
        names = self.names
        return {
            "from": self.marked, "now": time.monotonic(),
            "requests": [[s, e, names[t], node, error] for s, e, t, node, error in self.requests],
            "gaps": [[s, e, names[t]] for s, e, t in self.gaps],
            "probes": dict(zip(names, self.probes)),
            "answers": dict(zip(names, self.answers)),
            "open": sum(1 for c in self.open.values() if c.request),
            "late_ms": round(self.late * 1e3, 3),
            "out_of_ports": self.out_of_ports,
        }

    def reply(self, value):
        """One line."""
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


def main():
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--address", nargs="+", default=[],
                        help="these in place of those that the name resolves to")
    parser.add_argument("--probe-interval", type=float, default=0.002,
                        help="seconds between two probes of one address")
    parser.add_argument("--probe-timeout", type=float, default=0.3)
    parser.add_argument("--request-interval", type=float, default=0.004,
                        help="seconds between two requests; 0: none")
    parser.add_argument("--request-timeout", type=float, default=0.5)
    parser.add_argument("--gap", type=float, default=GAP,
                        help="seconds between two answered probes that are worth a note")
    arguments = parser.parse_args()
    targets = [target for name in arguments.address or [arguments.name]
               for target in resolve(name, arguments.port)]
    print(json.dumps({"addresses": [sockaddr[0] for _, sockaddr in targets]}), flush=True)
    Client(targets, arguments.probe_interval, arguments.request_interval,
           arguments.probe_timeout, arguments.request_timeout, arguments.gap).run()


if __name__ == "__main__":
    main()
