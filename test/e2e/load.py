# SPDX-License-Identifier: BSD-3-Clause
"""Drives test/e2e/client.py in the client's namespace and judges what it saw."""

import dataclasses
import json
import os
import subprocess
import time

import lab as lab_module


@dataclasses.dataclass
class Outage:
    """What a client saw of one fault."""
    outages_ms: dict            # address that had to move -> longest time without an answer
    started: int                # requests begun while any of them was out
    failed: int                 # of these
    innocent_failed: list       # failed requests to other addresses, at any time of the record
    innocent_gap_ms: float      # longest time without an answer of the other addresses
    errors: dict                # what the client saw -> how often
    late_ms: float              # the client's own worst lateness

    @property
    def outage_ms(self):
        """The longest of all that had to move."""
        return max(self.outages_ms.values(), default=0.0)

    @property
    def share(self):
        """Failed requests per begun ones, while any address was out."""
        return self.failed / self.started if self.started else 0.0


class Load:
    """A client process under load until closed."""

    def __init__(self, lab, *options, name=lab_module.NAME, addresses=()):
        """Of the name's addresses, or of those given."""
        if addresses:
            options = (*options, "--address", *addresses)
        self.process = subprocess.Popen(
            lab.client_argv("/usr/bin/python3", os.path.join(lab_module.HERE, "client.py"),
                            name, *map(str, options)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        lab.processes.append(self)
        self.addresses = self._read()["addresses"]

    # What Lab.close() needs of a process
    @property
    def popen(self):
        return self.process

    def kill_all(self):
        """SIGKILL."""
        self.process.kill()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise lab_module.LabError("the client ended with %s" % self.process.wait())
        return json.loads(line)

    def ask(self, command):
        """One command, one answer."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._read()

    def mark(self):
        """Starts a new record; returns the monotonic time."""
        return self.ask("mark")["now"]

    def wait_answered(self, timeout=10):
        """Waits until every address has answered a probe since now."""
        begun = time.monotonic()

        def check():
            status = self.ask("status")
            silent = {a: ms for a, ms in status["silent_ms"].items()
                      if ms is None or status["now"] - ms / 1e3 <= begun}
            if silent:
                raise lab_module.LabError("silent for ms: %s" % silent)
            return True
        lab_module.wait_for("every VIP to answer the client", check, timeout)

    def served(self, seconds):
        """Requests served per node in a stretch of time."""
        self.mark()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))
        return count_served(self.report())

    def report(self):
        """The record since the mark, once every request begun so far has ended."""
        self.ask("report")
        until = time.monotonic()

        def check():
            report = self.ask("report")
            # Requests end in order of their deadline, half a second after their begin at most.
            return report if report["open"] == 0 or report["now"] > until + 0.6 else None
        return lab_module.wait_for("the last requests to end", check, 5)

    def close(self):
        """Ends the client."""
        if self.process.poll() is None:
            self.process.stdin.write("quit\n")
            self.process.stdin.flush()
        self.process.wait(5)


def count_served(report):
    """({node: requests}, failed) of a record."""
    served, failed = {}, 0
    for _, _, _, node, error in report["requests"]:
        if error is None:
            served[node] = served.get(node, 0) + 1
        else:
            failed += 1
    return dict(sorted(served.items())), failed


def judge(report, hit):
    """What a fault cost the addresses `hit`, from a record that spans it."""
    longest = {}
    for start, stop, address in report["gaps"]:
        if address not in longest or stop - start > longest[address][1] - longest[address][0]:
            longest[address] = (start, stop)
    spans = [longest[address] for address in hit if address in longest]
    begin = min((start for start, _ in spans), default=0.0)
    end = max((stop for _, stop in spans), default=0.0)
    # What was cut off in the middle began a little earlier.
    inside = [r for r in report["requests"] if begin <= r[0] < end or
              (r[4] is not None and r[2] in hit)]
    errors = {}
    for _, _, _, _, error in inside:
        if error is not None:
            errors[error] = errors.get(error, 0) + 1
    length = {a: round((stop - start) * 1e3, 1) for a, (start, stop) in longest.items()}
    return Outage(
        {address: length.get(address, 0.0) for address in hit},
        len(inside), sum(1 for r in inside if r[4] is not None),
        [r for r in report["requests"] if r[4] is not None and r[2] not in hit],
        max((ms for a, ms in length.items() if a not in hit), default=0.0),
        errors, report["late_ms"])
