# SPDX-License-Identifier: BSD-3-Clause
"""The demo: three front-end nodes under load, three faults, each followed by recovery. Run it as
test/demo, which installs and builds what it needs first."""

import argparse
import collections
import json
import os
import statistics
import sys
import time

import lab as lab_module
import load as load_module

BEGUN = time.monotonic()


def say(what, text=""):
    """One aligned line with the time since the start."""
    print("[%5.1f s] %-18s %s" % (time.monotonic() - BEGUN, what, text), flush=True)


def more(what, text):
    """A line below it."""
    print("          %-18s %s" % (what, text), flush=True)


def verbatim(command, text):
    """What a command printed."""
    print("\n          $ %s" % command)
    for line in text.rstrip().splitlines():
        print("          " + line)
    print(flush=True)


def by_owner(owners):
    """{address: owner} → {owner: [addresses]}."""
    held = collections.defaultdict(list)
    for address, owner in owners.items():
        held[owner].append(address)
    return held


def percent(part, whole):
    """With the share in parentheses."""
    return "%d of %d (%.0f %%)" % (part, whole, 100.0 * part / whole if whole else 0.0)


class Demo:
    """State of one run."""

    def __init__(self, lab, arguments):
        self.lab = lab
        self.arguments = arguments
        self.stretch = 1.0 if arguments.short else 5.0
        self.load = None
        self.results = {"faults": [], "kills": []}
        self.wrong = []

    def front_ends(self):
        """Names of the nodes with the VIPs each holds."""
        held = by_owner(self.lab.owners(nodes=self.lab.running()))
        return {node.name: held.get(node.name, []) for node in self.lab.nodes}

    def show_vips(self):
        """The table that `vipgate vips` prints on the first live node."""
        verbatim("vipgate vips", self.lab.running()[0].cli("vips").stdout)

    def set_up(self):
        """Everything up to a load under which nothing fails."""
        lab = self.lab
        say("scene", "namespaces %s{switch,%s,client}" % (
            lab.prefix, ",".join(node.name for node in lab.nodes + lab.workers)))
        lab.start_web()
        say("nginx", "serves on " + ", ".join(node.name for node in lab.nodes))
        started = time.monotonic()
        lab.start_daemons()
        lab.wait_owned(30)
        lab.wait_as_planned(30)
        self.results["cold_start_s"] = round(time.monotonic() - started, 2)
        say("vipgate", "on %s, heartbeats %s x %d; after %.1f s every VIP has its owner" % (
            ", ".join(node.name for node in lab.nodes), lab.interval, lab.multiplier,
            self.results["cold_start_s"]))
        self.show_vips()
        lab.start_dns(lab.owners())
        lab_module.wait_for("dnsmasq", lambda: lab.on_client(
            "getent", "ahosts", lab_module.NAME, check=False).returncode == 0, 10)
        self.load = load_module.Load(lab)
        if sorted(self.load.addresses) != sorted(lab.owners()):
            raise lab_module.LabError("%s resolves to %s" % (lab_module.NAME, self.load.addresses))
        say("dnsmasq", "%s has %d addresses" % (lab_module.NAME, len(self.load.addresses)))
        self.load.wait_answered()
        say("load", "250 requests/s to that name, each address in turn, 0.5 s limit;")
        more("", "and a TCP connection to each VIP every 2 ms, to time what is out")
        served, failed = self.load.served(self.stretch)
        self.show_served(served, failed)
        self.results["calm"] = {"served": served, "failed": failed}
        if failed:
            self.wrong.append("%d requests failed without a fault" % failed)

    def show_served(self, served, failed):
        """Who served how many requests lately."""
        more("served by", "   ".join("%s %d" % (node.name, served.get(node.name, 0))
                                    for node in self.lab.nodes) + "   failed %d" % failed)

    # Faults

    def hurt(self, node, break_it):
        """Breaks something and waits until the client is well again; returns what that cost, and
        who took over."""
        hit = self.front_ends()[node.name]
        self.load.mark()
        break_it()
        owners = self.lab.wait_moved(hit, [n for n in self.lab.running() if n is not node])
        self.load.wait_answered()
        return load_module.judge(self.load.report(), hit), owners

    def fault(self, number, title, node, break_it, mend, mended):
        """One fault and its recovery."""
        load = self.load
        before = self.lab.owners()
        hit = [a for a, owner in before.items() if owner == node.name]
        print()
        say("fault %d" % number, "%s on %s, which holds %s" % (title, node.name, " ".join(hit)))
        outage, owners = self.hurt(node, break_it)
        more("", "took over  %-18s  outage" % "VIP")
        for address, owner in owners.items():
            more("", "%-9s  %-18s  %4.0f ms" % (owner, address, outage.outages_ms[address]))
        more("meanwhile", "%s requests failed%s" % (
            percent(outage.failed, outage.started),
            ": " + ", ".join("%d %s" % (n, e[0].lower() + e[1:]) for e, n in outage.errors.items())
            if outage.errors else ""))
        more("other VIPs", "%d requests failed, none silent for longer than %s" % (
            len(outage.innocent_failed), "%.0f ms" % outage.innocent_gap_ms
            if outage.innocent_gap_ms else "10 ms"))
        self.show_served(*load.served(self.stretch))
        result = {"fault": title, "node": node.name, "vips": hit,
                  "outage_ms": outage.outage_ms, "outages_ms": outage.outages_ms,
                  "started": outage.started, "failed": outage.failed, "share": outage.share,
                  "errors": outage.errors, "innocent_failed": len(outage.innocent_failed),
                  "innocent_gap_ms": outage.innocent_gap_ms, "took_over": owners,
                  "client_late_ms": outage.late_ms}
        self.results["faults"].append(result)
        if outage.innocent_failed:
            self.wrong.append("%s: %d requests to VIPs of other nodes failed"
                              % (title, len(outage.innocent_failed)))
        load.mark()
        begun = time.monotonic()
        mend()
        self.lab.wait_as_planned(60)
        result["recovery_s"] = round(time.monotonic() - begun, 2)
        load.wait_answered()
        report = load.report()
        failed = sum(1 for request in report["requests"] if request[4] is not None)
        result["recovery_failed"] = failed
        say("recovery", "%s; after %.1f s every VIP is back, %d of %d requests failed" % (
            mended, result["recovery_s"], failed, len(report["requests"])))
        for name, vips in self.front_ends().items():
            more("", "%-9s  %s" % (name, " ".join(vips)))
        self.show_served(*load.served(self.stretch))

    def faults(self):
        """The three of them, each on another node."""
        first, second, third = self.lab.nodes[:3]
        service = self.lab.services[0]
        self.fault(1, "nginx killed", first, lambda: first.web_kill(service),
                   lambda: first.web_start(service), "nginx started again")
        self.fault(2, "vipgate killed by SIGKILL", second, second.kill, second.start,
                   "vipgate started again")
        self.fault(3, "link down", third, lambda: third.link(False), lambda: third.link(True),
                   "link up again")

    def kills(self, times):
        """SIGKILL again and again, each time another node."""
        print()
        say("kills", "vipgate killed by SIGKILL, %d times" % times)
        more("", "%-4s  %-5s  %-9s  %-30s  %s" % ("kill", "node", "outage", "requests failed meanwhile",
                                             "other VIPs"))
        for turn in range(times):
            node = self.lab.nodes[turn % len(self.lab.nodes)]
            outage, _ = self.hurt(node, node.kill)
            self.results["kills"].append({
                "node": node.name, "outage_ms": outage.outage_ms, "outages_ms": outage.outages_ms,
                "started": outage.started, "failed": outage.failed,
                "innocent_failed": len(outage.innocent_failed), "client_late_ms": outage.late_ms})
            more("", "%-4d  %-5s  %6.0f ms  %-30s  %d failed" % (
                turn + 1, node.name, outage.outage_ms, percent(outage.failed, outage.started),
                len(outage.innocent_failed)))
            if outage.innocent_failed:
                self.wrong.append("kill %d: %d requests to VIPs of other nodes failed"
                                  % (turn + 1, len(outage.innocent_failed)))
            node.start()
            self.lab.wait_as_planned(120)
            self.load.wait_answered()
        outages = [kill["outage_ms"] for kill in self.results["kills"]]
        self.results["kill_median_ms"] = statistics.median(outages)
        self.results["kill_max_ms"] = max(outages)
        more("", "median %.0f ms, longest %.0f ms" % (statistics.median(outages), max(outages)))

    def play(self):
        """All of it."""
        self.set_up()
        if self.arguments.kills:
            self.kills(self.arguments.kills)
        else:
            self.faults()
        self.summary()
        self.load.close()
        if self.arguments.json:
            with open(self.arguments.json, "w", encoding="ascii") as out:
                json.dump(self.results, out, indent=2)
                out.write("\n")

    def summary(self):
        """What was seen, and what was wrong."""
        if self.results["faults"]:
            print()
            say("summary")
            more("", "%-26s  %-5s  %-6s  %-15s  %s" % ("fault", "node", "outage",
                                                      "requests failed", "to other VIPs"))
            for result in self.results["faults"]:
                more("", "%-26s  %-5s  %3.0f ms  %-15s  %d" % (
                    result["fault"], result["node"], result["outage_ms"],
                    percent(result["failed"], result["started"]), result["innocent_failed"]))
        for text in self.wrong:
            say("WRONG", text)


def main():
    """Entry point; exit status 1 when something did not go as it should."""
    parser = argparse.ArgumentParser(prog="test/demo", description=__doc__)
    parser.add_argument("--build", default=os.path.join(lab_module.TOP, "build"),
                        help="build directory")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    parser.add_argument("--kills", type=int, default=0, metavar="N",
                        help="in place of the three faults, repeat the SIGKILL N times")
    parser.add_argument("--short", action="store_true", help="shorter calm stretches")
    arguments = parser.parse_args()
    lab_module.exit_on_signals()
    print("vipgate: three front-end nodes share the VIPs of one Service. A node, a process, a link\n"
          "or an nginx dies; its VIPs, and no others, move to the nodes that live.\n")
    say("build", os.path.relpath(arguments.build))
    status = 1
    tails = {}
    try:
        with lab_module.Lab(arguments.build) as lab:
            demo = Demo(lab, arguments)
            try:
                demo.play()
            except lab_module.LabError:
                tails = {node.name: node.log_tail() for node in lab.nodes}
                raise
            status = 1 if demo.wrong else 0
    except lab_module.LabError as error:
        print("\ntest/demo: %s" % error, file=sys.stderr)
        for name, tail in tails.items():
            print("\nthe last lines of vipgate on %s:\n%s" % (name, tail), file=sys.stderr)
    except KeyboardInterrupt:
        print("\ntest/demo: interrupted, all cleaned up", file=sys.stderr)
        status = 130
    if status == 0:
        say("done", "nothing was left behind")
    return status


if __name__ == "__main__":
    sys.exit(main())
