# SPDX-License-Identifier: BSD-3-Clause
"""Debian's dpdk-testpmd at the other end of the wire: what it sends is counted to the frame."""
import os
import re
import shutil
import subprocess
import threading

import pytest
from scapy.all import (ARP, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IP, IPv6, UDP, Ether, Raw, rdpcap,
                       wrpcap)

from conftest import CLIENT4, CLIENT6, FREE4, NODE, PORT, VIP4, VIP6, Driver, inside, until

CLIENT_MAC = "02:00:00:00:00:64"
COUNT = 100  # of each kind: together less than the 1,024 slots of a memif ring


class Player:
    """testpmd, forwarding between a pcap and a memif as soon as it is told to."""

    def __init__(self, socket, source, sink):
        assert shutil.which("dpdk-testpmd"), "dpdk-testpmd is missing: apt install dpdk"
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", NODE, "stdbuf", "-oL",
             "dpdk-testpmd", "--no-huge", "-m", "256", "--no-shconf",
             "--file-prefix=vgptestpmd", "--no-telemetry", "--no-pci", "--lcores",
             "0@0,1@0", "--vdev=net_pcap0,rx_pcap=%s,tx_pcap=%s" % (source, sink),
             "--vdev=net_memif0,role=client,id=0,socket=%s,socket-abstract=no" % socket, "--",
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
                    "net_memif0,role=server,id=0,socket=%s,socket-abstract=no" % socket, "-k", PORT)
    testpmd = None
    try:
        assert driver.first == "started", driver.first
        inside(NODE, "ip link set %s up" % PORT)
        driver.do("publish", 0, VIP4 + "+,udp/53", VIP6 + "+,udp/53", FREE4)
        driver.do("lease", 0, "ever")
        assert not driver.ask("info", 0)["link_up"]
        kinds = frames(driver.ask("info", 0)["mac"])
        wrpcap(source, kinds * COUNT)
        testpmd = Player(socket, source, sink)
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
