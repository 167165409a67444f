# SPDX-License-Identifier: BSD-3-Clause
"""Debian's dpdk-testpmd at the other end of the wire: what it sends is counted to the frame."""
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading

import pytest
from scapy.all import (ARP, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IP, IPv6, UDP, Ether, Raw, rdpcap,
                       wrpcap)

from conftest import (BUILD, CLIENT4, CLIENT6, FREE4, NODE, PORT, VIP4, VIP6, Driver, inside,
                      until)

CLIENT_MAC = "02:00:00:00:00:64"
MEMIF = "net_memif0,role=%s,id=0,socket=%s,socket-abstract=no"
COUNT = 100  # of each kind: together less than the 1,024 slots of a memif ring


class Player:
    """testpmd, forwarding between a pcap and another vdev as soon as it is told to."""

    def __init__(self, vdev, source, sink):
        assert shutil.which("dpdk-testpmd"), "dpdk-testpmd is missing: apt install dpdk"
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", NODE, "stdbuf", "-oL",
             "dpdk-testpmd", "--no-huge", "-m", "256", "--no-shconf",
             "--file-prefix=vgptestpmd", "--no-telemetry", "--no-pci", "--lcores",
             "0@0,1@0", "--vdev=net_pcap0,rx_pcap=%s,tx_pcap=%s" % (source, sink),
             "--vdev=" + vdev, "--",
             "-i", "--total-num-mbufs=8192", "--forward-mode=io", "--no-flush-rx", "--nb-cores=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def sent(self, port):
        """How many frames testpmd has handed to one of its ports, by its own count."""
        seen = len(self.lines)
        self.say("show port stats %d" % port)
        return until(lambda: [int(number) for number in re.findall(
            r"TX-packets: +(\d+)", "".join(self.lines[seen:]))])[-1]

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def quit(self):
        if self.process.poll() is None:
            self.say("stop", "quit")
            self.process.wait(20)
        self.reader.join(20)
        return "".join(self.lines)


def frames(mac):
    node = Ether(src=CLIENT_MAC, dst=mac)
    asked = Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=CLIENT_MAC, psrc=CLIENT4)
    solicitation = Ether(src=CLIENT_MAC, dst="33:33:ff:00:00:50") / IPv6(
        src=CLIENT6, dst="ff02::1:ff00:50", hlim=255) / ICMPv6ND_NS(
            tgt=VIP6) / ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC)
    other = asked.copy()
    asked[ARP].pdst, other[ARP].pdst = VIP4, FREE4
    return [
        asked, other, solicitation,
        node / IP(src=CLIENT4, dst=VIP4) / UDP(sport=4000, dport=53) / Raw(b"question"),
        node / IPv6(src=CLIENT6, dst=VIP6) / UDP(sport=4000, dport=53) / Raw(b"question"),
        node / IP(src=CLIENT4, dst=VIP4) / UDP(sport=4000, dport=54) / Raw(b"closed"),
        Ether(src=CLIENT_MAC, dst="02:00:00:00:00:99") / IP(src=CLIENT4, dst=VIP4) / UDP(),
    ]


@pytest.mark.parametrize("idle", [[], ["-b"]], ids=["adaptive", "busy"])
def test_memif_frames_are_answered_passed_and_dropped_exactly(namespaces, tmp_path, idle):
    socket = str(tmp_path / "memif.sock")
    source, sink = str(tmp_path / "in.pcap"), str(tmp_path / "out.pcap")
    driver = Driver("-l", "1", *idle, "-d",
                    MEMIF % ("server", socket), "-k", PORT)
    testpmd = None
    try:
        assert driver.first == "started", driver.first
        inside(NODE, "ip link set %s up" % PORT)
        driver.do("publish", 0, VIP4 + "+,udp/53", VIP6 + "+,udp/53", FREE4)
        driver.do("lease", 0, "ever")
        assert not driver.ask("info", 0)["link_up"]
        kinds = frames(driver.ask("info", 0)["mac"])
        wrpcap(source, kinds * COUNT)
        testpmd = Player(MEMIF % ("client", socket), source, sink)
        until(lambda: driver.ask("info", 0)["link_up"] or testpmd.process.poll() is not None)
        testpmd.say("start")
        until(lambda: driver.counters()["rx_packets"] >= len(kinds) * COUNT, 30)
        counters = until(lambda: (found := driver.counters()) and
                         found["ndp_answered"] == COUNT and found)
        assert counters["rx_packets"] == len(kinds) * COUNT
        assert counters["arp_answered"] == COUNT
        assert counters["ndp_answered"] == COUNT
        assert counters["to_kernel"] == 2 * COUNT
        assert counters["drops"] == counters["drops"] | {
            "arp_not_owned": COUNT, "closed_port": COUNT, "foreign_mac": COUNT}
        assert testpmd.process.poll() is None
        until(lambda: testpmd.sent(0) >= 2 * COUNT)
        testpmd.quit()
        testpmd = None
        answers = [frame for frame in rdpcap(sink) if ARP in frame and frame[ARP].op == 2]
        assert len(answers) == COUNT
        assert {frame[ARP].psrc for frame in answers} == {VIP4}
        assert driver.stop() == "stopped 0", "".join(driver.log)
    finally:
        if testpmd is not None:
            print(testpmd.quit())
            testpmd.process.kill()
        driver.kill()
        if os.path.exists(socket):
            os.unlink(socket)


CONFIG = """node: fe-1
interfaces:
  - name: front
    device: "%(device)s"
    kernel: {name: %(port)s}
dataplane: {lcores: [1], memory: 64, hugepages: no}
heartbeat: {key_file: %(dir)s/key}
source: {file: %(dir)s/objects.yaml}
state_dir: %(dir)s
http: off
socket: %(dir)s/socket
"""
OBJECTS = """{apiVersion: v1, kind: Node, metadata: {name: fe-1, labels: {here: "1"}}}
---
{apiVersion: v1, kind: Node, metadata: {name: fe-2}}
"""
CLASS = """---
apiVersion: network.deckhouse.io/v1alpha1
kind: MetalLoadBalancerClass
metadata: {name: %(name)s}
spec: {type: L2, addressPool: [%(pool)s], nodeSelector: {%(selector)s}}
---
apiVersion: v1
kind: Service
metadata: {name: %(name)s, namespace: default}
spec:
  type: LoadBalancer
  loadBalancerClass: %(name)s
  ipFamilyPolicy: %(policy)s
  ports: [{port: 53, protocol: UDP}]
"""


class Daemon:
    """vipgate itself, alone in its group; the VIP of class `there` can have no owner."""

    def __init__(self, directory, device):
        self.socket = os.path.join(directory, "socket")
        self.log = open(os.path.join(directory, "log"), "w+", encoding="utf-8")
        key = os.path.join(directory, "key")
        with open(key, "w", encoding="ascii") as out:
            out.write(secrets.token_hex(32) + "\n")
        os.chmod(key, 0o600)
        with open(os.path.join(directory, "objects.yaml"), "w", encoding="ascii") as out:
            out.write(OBJECTS + CLASS % {
                "name": "here", "pool": '"%s/32", "%s/128"' % (VIP4, VIP6),
                "selector": 'here: "1"', "policy": "RequireDualStack"} + CLASS % {
                    "name": "there", "pool": '"%s/32"' % FREE4, "selector": 'here: "0"',
                    "policy": "SingleStack"})
        config = os.path.join(directory, "vipgate.yaml")
        with open(config, "w", encoding="ascii") as out:
            out.write(CONFIG % {"device": device, "dir": directory, "port": PORT})
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", NODE, self.vipgate(), "run", "--config", config],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    @staticmethod
    def vipgate():
        """The program under test."""
        return os.path.join(BUILD, "control", "vipgate")

    def ask(self, command):
        """A command's JSON, or {} while nobody answers."""
        done = subprocess.run([self.vipgate(), command, "--json", "--socket", self.socket],
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def counters(self):
        """Of its only interface."""
        return self.ask("stats")["interfaces"][0]

    def owned(self):
        """The addresses that it answers for."""
        return {vip["address"] for vip in self.ask("vips").get("vips", [])
                if vip["state"] == "owned"}

    def stop(self):
        """Its exit status: 0 says that every mbuf came back."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def text(self):
        """What it logged."""
        self.log.seek(0)
        return self.log.read()


@pytest.mark.parametrize("near, far", [
    (MEMIF % ("server", "%s/memif"), MEMIF % ("client", "%s/memif")),
    ("net_tap0,iface=vgpnic", "net_af_packet0,iface=vgpnic")], ids=["memif", "net_tap"])
def test_the_daemon_counts_what_testpmd_sends_to_the_frame(namespaces, tmp_path, near, far):
    directory = str(tmp_path)
    source, sink = str(tmp_path / "in.pcap"), str(tmp_path / "out.pcap")
    # The kernel end of a net_tap NIC shall say nothing of its own.
    inside(NODE, "sysctl -q -w net.ipv6.conf.default.disable_ipv6=1")
    daemon = Daemon(directory, near.replace("%s", directory))
    testpmd = None
    try:
        until(lambda: daemon.ask("status") or daemon.process.poll() is not None, 20)
        assert daemon.process.poll() is None, daemon.text()
        if "tap" in near:
            inside(NODE, "ip link set vgpnic up")
            until(lambda: {VIP4, VIP6} <= daemon.owned(), 20)
        kinds = frames(daemon.ask("status")["interfaces"][0]["mac"])
        wrpcap(source, kinds * COUNT)
        testpmd = Player(far.replace("%s", directory), source, sink)
        until(lambda: {VIP4, VIP6} <= daemon.owned() or testpmd.process.poll() is not None, 20)
        before = daemon.counters()
        testpmd.say("start")
        until(lambda: daemon.counters()["rx_packets"] - before["rx_packets"] >=
              len(kinds) * COUNT, 30)
        after = until(lambda: (found := daemon.counters()) and
                      found["ndp_answered"] - before["ndp_answered"] == COUNT and found)
        grown = {name: after[name] - before[name]
                 for name in ("rx_packets", "arp_answered", "ndp_answered", "to_kernel")}
        assert grown == {"rx_packets": len(kinds) * COUNT, "arp_answered": COUNT,
                         "ndp_answered": COUNT, "to_kernel": 2 * COUNT}
        drops = {reason: count - before["drops"].get(reason, 0)
                 for reason, count in after["drops"].items()}
        assert {reason: count for reason, count in drops.items() if count} == {
            "arp_not_owned": COUNT, "closed_port": COUNT, "foreign_mac": COUNT}
        testpmd.quit()
        testpmd = None
        answers = [frame for frame in rdpcap(sink) if ARP in frame and frame[ARP].op == 2 and
                   frame[ARP].hwdst == CLIENT_MAC]
        assert len(answers) == COUNT
        assert {frame[ARP].psrc for frame in answers} == {VIP4}
        assert daemon.stop() == 0, daemon.text()
    finally:
        if testpmd is not None:
            print(testpmd.quit())
            testpmd.process.kill()
        daemon.process.kill()
        daemon.process.wait()
        print(daemon.text())
        daemon.log.close()
