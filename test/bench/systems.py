# SPDX-License-Identifier: BSD-3-Clause
"""What the failover bench compares: vipgate and keepalived on scenes of the same shape, with the
same things that can be done to both. Standard library only."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import lab as lab_module    # noqa: E402

VIPS = {"IPv4": ["192.0.2.%d" % (100 + i) for i in range(3)],
        "IPv6": ["2001:db8::10%d" % i for i in range(3)]}
PREFIX = {"IPv4": 24, "IPv6": 64}
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

KEEPALIVED_HEAD = """global_defs {
    router_id %(node)s
    vrrp_version 3
    script_user root
    enable_script_security
}
vrrp_script web {
    script "%(check)s"
    interval 1
    timeout 1
    fall 1
    rise 1
}
"""
KEEPALIVED_INSTANCE = """vrrp_instance vip%(number)d {
    state BACKUP
    interface eth1
    virtual_router_id %(id)d
    priority %(priority)d
    advert_int 0.01
    preempt_delay 2
    virtual_ipaddress { %(vip)s/%(prefix)d }
    track_script { web }
}
"""
# Runs once a second on each node, thus no shell.
CHECK = """#!/usr/bin/perl
use IO::Socket::INET;
exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 80, Timeout => 1);
"""


class System:
    """One contestant: front-end nodes with an nginx each, whose daemons run between start() and
    stop() only, so that the other has the machine for itself."""

    def __init__(self, name, lab):
        self.name = name
        self.lab = lab

    def start(self):
        """Starts the daemons as on a first day; returns {VIP: Node} once each node has one VIP."""
        raise NotImplementedError

    def clean(self):
        """Removes what a daemon that was killed left behind."""

    def stop(self):
        """Ends the daemons and mends whatever was broken."""
        for node in self.lab.nodes:
            if node.running():
                node.daemon.kill_all(signal.SIGCONT)
                node.daemon.send(signal.SIGTERM)
        for node in self.lab.nodes:
            if node.daemon:
                node.daemon.end()
                node.daemon = None
            node.link(True)
            if self.lab.management:
                node.management_link(True)
            for service in self.lab.services:
                if not node.web[service.name].alive():
                    node.web_start(service)
        self.lab.mend()
        self.clean()

    def signal(self, node, number):
        """To the daemon and all its processes."""
        node.daemon.kill_all(number)


class Vipgate(System):
    """Ours."""

    def __init__(self, lab, interval, multiplier):
        super().__init__("vipgate %s × %d" % (interval, multiplier), lab)
        self.interval, self.multiplier = interval, multiplier

    def start(self):
        lab = self.lab
        lab.interval, lab.multiplier = self.interval, self.multiplier
        for node in lab.nodes:
            node.forget()
        lab.start_daemons()
        lab.wait_owned(30)
        return {vip: lab.node(name) for vip, name in lab.wait_as_planned(30).items()}


class Keepalived(System):
    """keepalived of the same distribution: a VRRP instance for each VIP, all nodes in each."""

    def __init__(self, lab, family, priorities):
        super().__init__("keepalived 10ms", lab)
        self.family = family
        self.priorities = priorities        # highest for a VIP's own node, then in a ring
        self.vips = VIPS[family]
        self.check = os.path.join(lab.directory, "check")
        with open(self.check, "w", encoding="ascii",
                  opener=lambda path, flags: os.open(path, flags, 0o755)) as out:
            out.write(CHECK)
        for node in lab.nodes:
            node.exec("sysctl", "-qw", "net.ipv6.conf.eth1.accept_dad=0")
            lab.ip(node.netns, "addr add %s/24 dev eth1" % node.address4,
                   "addr add %s/64 dev eth1 nodad" % node.address6)

    def configure(self, node):
        """Writes the node's configuration and returns its path."""
        text = KEEPALIVED_HEAD % {"node": node.name, "check": self.check}
        for number, vip in enumerate(self.vips):
            rank = (self.lab.nodes.index(node) - number) % len(self.lab.nodes)
            text += KEEPALIVED_INSTANCE % {
                "number": number, "id": 51 + number, "priority": self.priorities[rank], "vip": vip,
                "prefix": PREFIX[self.family]}
        path = os.path.join(node.directory, "keepalived.conf")
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        return path

    def start(self):
        for node in self.lab.nodes:
            home = node.directory
            node.daemon = lab_module.Process(
                ["ip", "netns", "exec", node.netns, "keepalived", "--dont-fork", "--vrrp",
                 "--log-console", "--use-file=" + self.configure(node),
                 "--pid=%s/keepalived.pid" % home, "--vrrp_pid=%s/vrrp.pid" % home],
                os.path.join(home, "keepalived.log"), first=True)

        def settled():
            held = {vip: [node for node in self.lab.nodes if vip in self.addresses(node)]
                    for vip in self.vips}
            wrong = {vip: [node.name for node in nodes] for i, (vip, nodes)
                     in enumerate(held.items()) if nodes != [self.lab.nodes[i]]}
            if wrong:
                raise lab_module.LabError("not where they belong: %s" % wrong)
            return {vip: nodes[0] for vip, nodes in held.items()}
        return lab_module.wait_for("keepalived to settle", settled, 30, 0.05)

    def addresses(self, node):
        """What the node's NIC has."""
        links = json.loads(lab_module.run("ip", "-n", node.netns, "-j", "addr", "show", "dev",
                                          "eth1").stdout)
        return {info["local"] for link in links for info in link.get("addr_info", ())}

    def clean(self):
        for node in self.lab.nodes:
            for vip in self.addresses(node) & set(self.vips):
                self.lab.ip(node.netns, "addr del %s/%d dev eth1" % (vip, PREFIX[self.family]))
            for name in ("keepalived.pid", "vrrp.pid"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(node.directory, name))


class Port:
    """A node's port at the switch, which can be pulled within microseconds."""

    def __init__(self, node):
        self.name = node.name.encode()
        with lab_module.in_namespace(node.lab.switch):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def pull(self):
        """Down. Lab nodes' link(True) is the way back."""
        request = fcntl.ioctl(self.socket, SIOCGIFFLAGS, struct.pack("16sH22x", self.name, 0))
        flags = struct.unpack_from("H", request, 16)[0]
        fcntl.ioctl(self.socket, SIOCSIFFLAGS, struct.pack("16sH22x", self.name, flags & ~IFF_UP))

    def close(self):
        """Of the socket."""
        self.socket.close()


class Scenes(contextlib.ExitStack):
    """All contestants; leaving it removes everything."""

    def __init__(self, build, arguments):
        super().__init__()
        self.build, self.arguments = build, arguments
        self.systems = []

    def __enter__(self):
        super().__enter__()
        try:
            self._open(self.build, self.arguments)
        except BaseException:
            self.close()
            raise
        return self

    def _open(self, build, arguments):
        family, management = arguments.family, not arguments.no_management
        service = lab_module.Service(families=(family,))
        ours = self.enter_context(lab_module.Lab(
            build, workers=0, services=[service], management=management, label="v-"))
        ours.management_path = "IPv4" if management else None
        theirs = self.enter_context(lab_module.Lab(
            None, workers=0, services=[service], label="k-"))
        for lab in (ours, theirs):
            lab.start_web()
            # There is no name server: the client goes by addresses.
            with open(os.path.join(lab.directory, "resolv.conf"), "w", encoding="ascii"):
                pass
        vipgates = [Vipgate(ours, interval, arguments.multiplier)
                    for interval in arguments.interval]
        self.systems = [vipgates[0], Keepalived(theirs, family, arguments.priorities),
                        *vipgates[1:]]


def machine(build):
    """What the figures were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":", 1)[1].strip() for line in info
                      if line.startswith("model name")), "unknown")

    def version(*argv):
        done = lab_module.run(*argv, check=False)
        return ((done.stdout or done.stderr).strip().splitlines() or ["unknown"])[0]
    commit = lab_module.run("git", "-C", lab_module.TOP, "describe", "--always", "--dirty",
                            check=False).stdout.strip() if shutil.which("git") else ""
    return {"cpu": model, "cores": len(lab_module.cpus()), "kernel": os.uname().release,
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "vipgate": version(lab_module.find_vipgate(build), "--version"), "commit": commit,
            "keepalived": version("keepalived", "--version"),
            "nginx": version("nginx", "-v"),
            "dpdk": version("pkg-config", "--modversion", "libdpdk"),
            "python": sys.version.split()[0],
            "priority": "all daemons at nice -20, the client too; nginx and all else at 0",
            "load": os.getloadavg()}
