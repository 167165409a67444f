# SPDX-License-Identifier: BSD-3-Clause
"""A dataplane in one network namespace and the wire to it in another.

VIPGATE_BUILD names the build directory; nothing is built here. Needs root.
"""
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time

import pytest

BUILD = os.environ.get("VIPGATE_BUILD", "")
DRIVER = os.path.join(BUILD, "test", "packet", "dataplane_driver")
PREFIX = "vgp"  # of namespaces and netdevs made here
NODE, GATE = PREFIX + "node", PREFIX + "wire"
PORT = PREFIX + "vip0"  # the kernel port
VIP4, VIP6 = "192.0.2.50", "2001:db8::50"
FREE4, FREE6 = "192.0.2.51", "2001:db8::51"  # published, not owned
NODE4, NODE6 = "192.0.2.11", "2001:db8::11"
CLIENT4, CLIENT6 = "192.0.2.100", "2001:db8::100"
DEADLINE = 10
BEAT_TYPE = 0x88B5
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def sh(command, check=True):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError("%s: %s%s" % (command, done.stdout, done.stderr))
    return done.stdout


def inside(netns, command, check=True):
    return sh("ip netns exec %s %s" % (netns, command), check)


def until(what, deadline=DEADLINE):
    """Asks again until what() is true, and returns it."""
    end = time.monotonic() + deadline
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, "waited %d s for %s" % (deadline, what)
        select.select([], [], [], 0.002)


class Wire:
    """A raw socket on a netdev of a namespace."""

    def __init__(self, netns, netdev):
        self.socket = None
        failed = []

        def enter():
            try:
                with open("/run/netns/" + netns, "rb") as space:
                    if libc.setns(space.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
                made.bind((netdev, 3))
                self.socket = made
            except OSError as error:
                failed.append(error)

        # A namespace belongs to a thread: this one ends with the visit.
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        self.mac = self.socket.getsockname()[4]

    def send(self, frame):
        self.socket.send(bytes(frame))

    def frames(self, wanted, count=1, deadline=DEADLINE, sent=False):
        """The next frames for which wanted(bytes) is true; fewer when the deadline passes."""
        found = []
        end = time.monotonic() + deadline
        while len(found) < count:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                break
            frame, address = self.socket.recvfrom(65536)
            if (address[2] == socket.PACKET_OUTGOING) == sent and wanted(frame):
                found.append(frame)
        return found

    def flush(self):
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(65536)

    def close(self):
        self.socket.close()


class Driver:
    """The process with the dataplane, and its command line."""

    def __init__(self, *arguments, netns=NODE):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", netns, DRIVER, *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.log = []
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        self.first = self._line()

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def _line(self):
        ready = select.select([self.process.stdout], [], [], 30)[0]
        assert ready, "no answer within 30 s: %s" % "".join(self.log)
        return self.process.stdout.readline().strip()

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        line = self._line()
        assert line, "the driver died: %s" % "".join(self.log)
        return json.loads(line) if line[0] in "[{" else line

    def do(self, *words):
        assert self.ask(*words) == "ok", words

    def counters(self, interface=0):
        return self.ask("counters", interface)

    def drops(self, reason, interface=0):
        return self.counters(interface)["drops"].get(reason, 0)

    def stop(self):
        """Ends it in good order and returns what dataplane_stop() said."""
        self.process.stdin.close()
        line = self._line()
        status = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        assert (status == 0) == (line == "stopped 0"), "".join(self.log)  # or a sanitizer spoke
        return line

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)


def scene_clean():
    for netns in (NODE, GATE):
        sh("ip netns del %s" % netns, check=False)


@pytest.fixture
def namespaces():
    assert os.path.exists(DRIVER), "no %s: set VIPGATE_BUILD to the build directory" % DRIVER
    assert os.geteuid() == 0, "these tests need root"
    scene_clean()
    for netns in (NODE, GATE):
        sh("ip netns add %s" % netns)
        inside(netns, "sysctl -qw net.ipv6.conf.default.accept_dad=0")
        inside(netns, "ip link set lo up")
    yield
    scene_clean()


def veth():
    sh("ip link add {0}nic netns {1} type veth peer name {0}far netns {2}".format(
        PREFIX, NODE, GATE))
    inside(GATE, "ethtool -K %sfar tx off txvlan off" % PREFIX)
    inside(NODE, "ethtool -K %snic rxvlan off" % PREFIX)
    inside(NODE, "sysctl -qw net.ipv6.conf.%snic.disable_ipv6=1" % PREFIX)
    inside(NODE, "ip link set %snic arp off up" % PREFIX)


def far_end_up(netdev):
    inside(GATE, "ip link set %s up" % netdev)
    inside(GATE, "ip addr add %s/24 dev %s" % (CLIENT4, netdev))
    inside(GATE, "ip addr add %s/64 dev %s nodad" % (CLIENT6, netdev))


class Scene:
    """A started dataplane, the far end of its wire and the kernel side of its kernel port."""

    def __init__(self, device, *extra, vlan=0):
        self.kind = device
        self.far = PREFIX + "far"
        tap = device == "net_tap"
        if tap:
            string = "net_tap0,iface=" + self.far
        else:
            veth()
            string = "%s0,iface=%snic" % (device, PREFIX)
        self.driver = Driver("-l", "1", *extra, "-d", string, "-k", PORT, "-v", str(vlan), "-a",
                             NODE4 + "/24", "-a", NODE6 + "/64", "-g", "192.0.2.1")
        assert self.driver.first == "started", self.driver.first + "".join(self.driver.log)
        self.mac = bytes.fromhex(self.driver.ask("info", 0)["mac"].replace(":", ""))
        if tap:  # its netdev is the far end, and begins with the same MAC
            sh("ip -n %s link set %s netns %s" % (NODE, self.far, GATE))
            inside(GATE, "ip link set %s address 02:00:00:00:00:64" % self.far)
        far_end_up(self.far)
        inside(NODE, "sysctl -qw net.ipv4.conf.%s.arp_announce=2" % PORT)
        inside(NODE, "ip addr add %s/24 dev %s" % (NODE4, PORT))
        inside(NODE, "ip addr add %s/64 dev %s nodad" % (NODE6, PORT))
        inside(NODE, "ip link set %s up" % PORT)
        for vip in (VIP4 + "/32", VIP6 + "/128"):
            inside(NODE, "ip addr add %s dev lo" % vip)
        self.driver.do("publish", 0, VIP4 + "+,tcp/80,udp/53", VIP6 + "+,tcp/80,udp/53", FREE4,
                       FREE6)
        self.driver.do("lease", 0, "ever")
        self.wire = Wire(GATE, self.far)
        self.kernel = Wire(NODE, PORT)

    def close(self):
        self.wire.close()
        self.kernel.close()
        self.driver.kill()


@pytest.fixture(params=["net_af_xdp", "net_af_packet", "net_tap"])
def scene(request, namespaces):
    made = Scene(request.param)
    yield made
    made.close()


@pytest.fixture
def xdp(namespaces):
    made = Scene("net_af_xdp")
    yield made
    made.close()


def ethertype(frame):
    return struct.unpack_from("!H", frame, 12)[0]
