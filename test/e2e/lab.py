# SPDX-License-Identifier: BSD-3-Clause
"""The scene of the demo and of the end-to-end tests: front-end nodes, worker nodes and a client as
network namespaces around a bridge that has a namespace of its own, so that nothing of the host's
network is touched. Standard library only."""

import atexit
import contextlib
import ctypes
import dataclasses
import ipaddress
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))

SUBNET4 = ipaddress.ip_network("192.0.2.0/24")
SUBNET6 = ipaddress.ip_network("2001:db8::/64")
MANAGEMENT = {"IPv4": ipaddress.ip_network("10.0.1.0/24"),
              "IPv6": ipaddress.ip_network("fd00:11::/64")}
MANAGEMENT_PORT = 4226
POOL = ["192.0.2.100-192.0.2.131", "2001:db8::100-2001:db8::11f"]
GATEWAYS = ("192.0.2.1", "2001:db8::1")
CLIENT = ("192.0.2.200", "2001:db8::200")
NAME = "www.example.test"

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something in the scene did not come about; the text says what."""


def run(*argv, check=True, timeout=30, **kwargs):
    """Runs a command and returns its CompletedProcess with text output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, check=False, **kwargs)
    if check and done.returncode != 0:
        raise LabError("%s: exit %d: %s" % (" ".join(argv), done.returncode,
                                            (done.stderr or done.stdout).strip()))
    return done


def wait_for(what, condition, timeout, interval=0.02):
    """Polls condition() until it returns something true, which is returned. Its LabErrors mean
    not yet. On time-out raises LabError with `what` and the last thing seen."""
    deadline = time.monotonic() + timeout
    seen = None
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except LabError as error:
            seen = error
        if time.monotonic() >= deadline:
            raise LabError("waited %g s for %s; last seen: %s" % (timeout, what, seen))
        time.sleep(interval)


@contextlib.contextmanager
def in_namespace(name):
    """This thread in the network namespace `name`; sockets made inside stay there."""
    with open("/proc/thread-self/ns/net", "rb") as home, \
            open("/run/netns/" + name, "rb") as there:
        if _libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns " + name)
        try:
            yield
        finally:
            if _libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns home")


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_with_parent_and_go_first():
    _die_with_parent()
    os.setpriority(os.PRIO_PROCESS, 0, -20)     # as in conf/vipgate.service


def cpus():
    """The CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def find_vipgate(build):
    """The daemon in a build directory."""
    path = os.path.join(build, "control", "vipgate")
    if not os.access(path, os.X_OK):
        raise LabError("no vipgate in %s: build it first (meson setup %s && ninja -C %s)"
                       % (build, build, build))
    return path


@dataclasses.dataclass
class Service:
    """A Service of type LoadBalancer, served by a real nginx on each front-end node."""
    name: str = "nginx"
    port: int = 80
    count: int = 3
    families: tuple = ("IPv4", "IPv6")

    def manifest(self):
        policy = "RequireDualStack" if len(self.families) == 2 else "SingleStack"
        return """apiVersion: v1
kind: Service
metadata:
  name: %s
  namespace: default
  annotations:
    network.deckhouse.io/l2-load-balancer-external-ips-count: "%d"
spec:
  type: LoadBalancer
  loadBalancerClass: front
  ipFamilyPolicy: %s
  ipFamilies: [%s]
  selector: {app: %s}
  ports:
    - {name: http, port: %d, protocol: TCP}
""" % (self.name, self.count, policy, ", ".join(self.families), self.name, self.port)


class Process:
    """A child that dies with us; its output goes to a file."""

    def __init__(self, argv, log, env=None, first=False):
        self.argv = argv
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
                preexec_fn=_die_with_parent_and_go_first if first else _die_with_parent,
                env={**os.environ, **env} if env else None)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def send(self, number):
        """A signal to the process alone."""
        self.popen.send_signal(number)

    def kill_all(self, number=signal.SIGKILL):
        """A signal to the process and its children, all in a session of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def wait(self, timeout):
        """The exit status, negative for a signal."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError("%s still runs after %g s" % (self.argv[-1], timeout)) from None

    def end(self, timeout=10):
        """SIGTERM, then SIGKILL for what does not go."""
        if self.alive():
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(timeout)
        self.kill_all()
        self.popen.wait()


class Node:
    """A namespace with one NIC `eth1` on the segment. As a front-end node it runs an nginx for each
    Service and a vipgate."""

    def __init__(self, lab, name, index, front_end):
        self.lab = lab
        self.name = name
        self.index = index
        self.front_end = front_end
        self.netns = lab.prefix + name
        self.directory = os.path.join(lab.directory, name)
        self.address4 = str(SUBNET4[10 + index])
        self.address6 = str(SUBNET6[0x10 + index])
        self.management = {family: str(net[10 + index]) for family, net in MANAGEMENT.items()}
        self.config = os.path.join(self.directory, "vipgate.yaml")
        self.socket = os.path.join(self.directory, "vipgate.sock")
        self.log = os.path.join(self.directory, "vipgate.log")
        self.daemon = None
        self.web = {}
        os.makedirs(self.directory)

    # The kernel's side

    def exec(self, *argv, **kwargs):
        """Runs a command in the node's namespace."""
        return run("ip", "netns", "exec", self.netns, *argv, **kwargs)

    def link(self, up):
        """Plugs or pulls the cable, at the switch."""
        run("ip", "-n", self.lab.switch, "link", "set", self.name, "up" if up else "down")

    def management_link(self, up):
        """The same for its cable to the management network."""
        run("ip", "-n", self.lab.switch, "link", "set", "m-" + self.name, "up" if up else "down")

    def mac(self):
        """The MAC of its NIC."""
        return self.exec("cat", "/sys/class/net/eth1/address").stdout.strip()

    # nginx

    def web_start(self, service):
        """Starts the nginx of a Service and waits until it serves."""
        home = os.path.join(self.directory, service.name)
        os.makedirs(home, exist_ok=True)
        conf = os.path.join(home, "nginx.conf")
        with open(conf, "w", encoding="ascii") as out:
            out.write("""daemon off;
worker_processes 1;
pid %(home)s/nginx.pid;
error_log %(home)s/error.log;
events { worker_connections 4096; }
http {
    access_log off;
    default_type text/plain;
    client_body_temp_path %(home)s/body;
    proxy_temp_path %(home)s/proxy;
    fastcgi_temp_path %(home)s/fastcgi;
    uwsgi_temp_path %(home)s/uwsgi;
    scgi_temp_path %(home)s/scgi;
    server {
        listen 0.0.0.0:%(port)d backlog=4096;
        listen [::]:%(port)d backlog=4096;
        return 200 "%(node)s\\n";
    }
}
""" % {"home": home, "port": service.port, "node": self.name})
        self.web[service.name] = Process(
            ["ip", "netns", "exec", self.netns, "nginx", "-p", home, "-e", home + "/error.log",
             "-c", conf], os.path.join(home, "output.log"))
        wait_for("nginx on " + self.name, lambda: self.web_serves(service), 10)

    def web_serves(self, service):
        """Whether the Service's nginx accepts a connection on this node."""
        with in_namespace(self.netns):
            with socket.socket() as sock:
                sock.settimeout(1)
                return sock.connect_ex(("127.0.0.1", service.port)) == 0

    def web_kill(self, service):
        """SIGKILL to nginx, master and workers."""
        self.web[service.name].kill_all()
        self.web[service.name].wait(5)

    # vipgate

    def config_text(self):
        """The daemon's configuration."""
        lab = self.lab
        text = """node: %(name)s
interfaces:
  - name: front
    device: net_af_xdp0,iface=eth1
    kernel: {name: vip0, backend: tap}
    addresses: [%(v4)s/24, "%(v6)s/64"]
""" % {"name": self.name, "v4": self.address4, "v6": self.address6}
        if lab.gateways:
            text += '    gateways: [%s, "%s"]\n' % GATEWAYS
        management = ""
        if lab.management_path:
            address = self.management[lab.management_path]
            management = '  management: "%s:%d"\n' % (
                "[%s]" % address if ":" in address else address, MANAGEMENT_PORT)
        text += """dataplane: {lcores: [%(cpu)d], memory: 64, hugepages: no, idle: adaptive}
heartbeat:
  interval: %(interval)s
  multiplier: %(multiplier)d
  key_file: %(lab)s/heartbeat.key
%(management)smoves: {failback: true, failback_delay: %(hold)s}
source:
  file: %(lab)s/objects.yaml
state_dir: %(home)s/state
http: 127.0.0.1:9798
socket: %(home)s/vipgate.sock
log: {level: info, format: text}
""" % {"cpu": cpus()[self.index % len(cpus())], "interval": lab.interval,
            "multiplier": lab.multiplier, "lab": lab.directory, "hold": lab.hold,
            "home": self.directory, "management": management}
        return text

    def start(self):
        """Starts vipgate; does not wait for it."""
        os.makedirs(os.path.join(self.directory, "state"), exist_ok=True)
        with open(self.config, "w", encoding="ascii") as out:
            out.write(self.config_text())
        self.daemon = Process(["ip", "netns", "exec", self.netns, *self.lab.wrapper,
                               self.lab.vipgate, "run", "--config", self.config], self.log,
                              env=self.lab.environment, first=True)

    def running(self):
        """Whether its daemon is a live process (be it stopped)."""
        return self.daemon is not None and self.daemon.alive()

    def forget(self):
        """Removes what the daemon keeps between runs."""
        shutil.rmtree(os.path.join(self.directory, "state"), ignore_errors=True)

    def kill(self):
        """SIGKILL."""
        self.daemon.send(signal.SIGKILL)
        self.daemon.wait(10)

    def stop(self, timeout=20):
        """SIGTERM; returns the exit status."""
        self.daemon.send(signal.SIGTERM)
        return self.daemon.wait(timeout)

    def cli(self, *argv, check=True):
        """Runs a vipgate command against this node's daemon."""
        return run(self.lab.vipgate, *argv, "--socket", self.socket, check=check,
                   env={**os.environ, **self.lab.environment})

    def ask(self, command, argument=None):
        """The document that `vipgate COMMAND --json` prints, straight from the daemon's socket."""
        if not self.running():
            raise LabError("vipgate on %s does not run: %s" % (self.name, self.log_tail()))
        request = {"command": command}
        if argument is not None:
            request["argument"] = argument
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                sock.connect(self.socket)
                with sock.makefile("rwb") as stream:
                    stream.write(json.dumps(request).encode() + b"\n")
                    stream.flush()
                    answer = json.loads(stream.readline())
        except (OSError, ValueError) as error:
            raise LabError("vipgate on %s does not answer %s: %s" % (self.name, command, error)) \
                from None
        if "error" in answer:
            raise LabError("vipgate on %s: %s" % (self.name, answer["error"]))
        return answer

    def vips(self):
        """The VIPs as this node sees them, by address."""
        return {vip["address"]: vip for vip in self.ask("vips")["vips"]}

    def held(self):
        """The addresses that this node says it owns."""
        return sorted((a for a, vip in self.vips().items()
                       if vip["owner"] == self.name and vip["state"] in ("owned", "draining")),
                      key=address_order)

    def http(self, path):
        """(status, body) of the daemon's HTTP server."""
        with in_namespace(self.netns):
            sock = socket.create_connection(("127.0.0.1", 9798), timeout=5)
        with sock:
            sock.sendall(b"GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" % path.encode())
            data = b""
            while chunk := sock.recv(65536):
                data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def log_text(self):
        """All that the daemon logged."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.log, encoding="utf-8", errors="replace") as log:
                return log.read()
        return ""

    def log_tail(self, lines=15):
        """Its last lines."""
        return "\n".join(self.log_text().splitlines()[-lines:])


def address_order(address):
    """Sorts v4 before v6, then by number."""
    ip = ipaddress.ip_address(address)
    return ip.version, int(ip)


class Lab:
    """The whole scene; a context manager that leaves nothing behind. With `management` the front-end
    nodes have a second network; daemons that start while management_path is a family use it."""

    def __init__(self, build, front_ends=3, workers=1, services=(Service(),), interval="20ms",
                 multiplier=3, hold="2s", gateways=True, management=False, environment=None,
                 wrapper=(), label=""):
        self.vipgate = find_vipgate(build) if build else None
        self.interval, self.multiplier, self.hold = interval, multiplier, hold
        self.gateways = gateways
        self.management = management
        self.management_path = None
        self.environment = dict(environment or {})
        self.wrapper = list(wrapper)
        self.services = list(services)
        self.prefix = "vg%d-%s" % (os.getpid(), label)      # labels tell a process's labs apart
        self.switch = self.prefix + "switch"
        self.client = self.prefix + "client"
        self.namespaces = []
        self.processes = []
        self.directory = tempfile.mkdtemp(prefix="vipgate-lab-%d-" % os.getpid())
        self.nodes = [Node(self, "fe-%d" % i, i, True) for i in range(1, front_ends + 1)]
        self.workers = [Node(self, "w-%d" % i, front_ends + i, False)
                        for i in range(1, workers + 1)]
        self.closed = False
        atexit.register(self.close)

    def __enter__(self):
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    # Set-up

    def open(self):
        """Namespaces, bridge, cables, addresses, files. Starts nothing."""
        if os.geteuid() != 0:
            raise LabError("network namespaces need root")
        _remove_leftovers()
        self.add_namespace(self.switch)
        self.ip(self.switch, "link add br0 type bridge stp_state 0 forward_delay 0",
                 "link set br0 up")
        for node in self.nodes + self.workers:
            self.add_namespace(node.netns)
            self.cable(node.name, node.netns, "eth1")
            if not node.front_end:
                self.ip(node.netns, "addr add %s/24 dev eth1" % node.address4,
                         "addr add %s/64 dev eth1 nodad" % node.address6)
        if self.management:
            self.open_management()
        self.add_namespace(self.client)
        self.cable("client", self.client, "eth0")
        self.ip(self.client, "addr add %s/24 dev eth0" % CLIENT[0],
                 "addr add %s/64 dev eth0 nodad" % CLIENT[1])
        if self.gateways:
            self.ip(self.switch, "addr add %s/24 dev br0" % GATEWAYS[0],
                     "addr add %s/64 dev br0 nodad" % GATEWAYS[1])
        with open(os.path.join(self.directory, "heartbeat.key"), "w", encoding="ascii",
                  opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(secrets.token_hex(32) + "\n")
        self.write_objects()

    def open_management(self):
        """A bridge of its own, and a second NIC on each front-end node."""
        self.ip(self.switch, "link add br1 type bridge stp_state 0 forward_delay 0",
                 "link set br1 up")
        for node in self.nodes:
            self.ip(self.switch, "link add m-%s type veth peer name eth2 netns %s"
                    % (node.name, node.netns), "link set m-%s master br1 up" % node.name)
            self.ip(node.netns, "link set eth2 up",
                     "addr add %s/24 dev eth2" % node.management["IPv4"],
                     "addr add %s/64 dev eth2 nodad" % node.management["IPv6"])
            # As on most machines the default route leads there: the kernel has a way to everybody
            # also when the front-end network is gone, and so a reason to answer.
            self.ip(node.netns, *("route add default via %s dev eth2" % net[1]
                                  for net in MANAGEMENT.values()))

    def cut(self, pairs, ethertype=None):
        """Drops at the switch what goes from one node to another, for each pair (from, to): all of
        it or what has an EtherType. Until mend()."""
        what = " ether type 0x%04x" % ethertype if ethertype else ""
        rules = "".join('add rule bridge cut forward iifname "%s" oifname "%s"%s drop\n'
                        % (a.name, b.name, what) for a, b in pairs)
        path = os.path.join(self.directory, "cut.nft")
        with open(path, "w", encoding="ascii") as out:
            out.write("add table bridge cut\nadd chain bridge cut forward "
                      "{ type filter hook forward priority 0; }\n" + rules)
        run("ip", "netns", "exec", self.switch, "nft", "-f", path)

    def mend(self):
        """Ends every cut."""
        run("ip", "netns", "exec", self.switch, "nft", "delete", "table", "bridge", "cut",
            check=False)

    def add_namespace(self, name):
        """One that close() removes."""
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        self.ip(name, "link set lo up")

    def remove_namespace(self, name):
        """Before close() would; cables into it vanish with it."""
        run("ip", "netns", "del", name)
        self.namespaces.remove(name)

    def ip(self, netns, *lines):
        """Commands of ip(8) in a namespace."""
        run("ip", "-n", netns, "-batch", self._batch("\n".join(lines) + "\n"))

    def _batch(self, text):
        path = os.path.join(self.directory, "ip.batch")
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        return path

    def cable(self, port, netns, device):
        """A veth pair from a switch port to a namespace. Checksums are filled in and VLAN tags put
        into the frame at the switch: an AF_XDP socket sees the bytes and nothing else."""
        self.ip(self.switch, "link add %s type veth peer name %s netns %s" % (port, device, netns),
                 "link set %s master br0 up" % port)
        run("ip", "netns", "exec", self.switch, "ethtool", "-K", port, "tx", "off", "txvlan", "off")
        run("ip", "netns", "exec", netns, "ethtool", "-K", device, "tx", "off")
        self.ip(netns, "link set %s up" % device)

    def objects(self):
        """The manifests of the cluster."""
        documents = []
        for node in self.nodes + self.workers:
            labels = 'node-role.kubernetes.io/frontend: ""' if node.front_end else \
                'node-role.kubernetes.io/worker: ""'
            document = "apiVersion: v1\nkind: Node\nmetadata:\n  name: %s\n  labels: {%s}\n" \
                % (node.name, labels)
            if self.management and node.front_end:
                document += "status:\n  addresses:\n" + "".join(
                    '    - {type: InternalIP, address: "%s"}\n' % address
                    for address in node.management.values())
            documents.append(document)
        documents.append("""apiVersion: network.deckhouse.io/v1alpha1
kind: MetalLoadBalancerClass
metadata:
  name: front
spec:
  type: L2
  addressPool:
%s
  nodeSelector: {node-role.kubernetes.io/frontend: ""}
  l2: {interfaces: [front]}
""" % "\n".join('    - "%s"' % pool for pool in POOL))
        documents += [service.manifest() for service in self.services]
        return "---\n".join(documents)

    def write_objects(self, text=None):
        """Replaces the objects file in one step."""
        path = os.path.join(self.directory, "objects.yaml")
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write(self.objects() if text is None else text)
        os.rename(path + ".new", path)

    def start_web(self):
        """An nginx for each Service on each front-end node."""
        for node in self.nodes:
            for service in self.services:
                node.web_start(service)

    def start_daemons(self):
        """A vipgate on each front-end node; does not wait."""
        for node in self.nodes:
            node.start()

    def start_dns(self, vips):
        """dnsmasq in the client's namespace: NAME has one A or AAAA record per VIP."""
        hosts = os.path.join(self.directory, "hosts")
        with open(hosts, "w", encoding="ascii") as out:
            out.writelines("%s %s\n" % (vip, NAME) for vip in vips)
        with open(os.path.join(self.directory, "resolv.conf"), "w", encoding="ascii") as out:
            out.write("nameserver 127.0.0.1\n")
        self.processes.append(Process(
            ["ip", "netns", "exec", self.client, "dnsmasq", "--keep-in-foreground",
             "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--addn-hosts=" + hosts,
             "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--group=root",
             "--pid-file=" + os.path.join(self.directory, "dnsmasq.pid")],
            os.path.join(self.directory, "dnsmasq.log")))

    def client_argv(self, *argv):
        """A command line that runs in the client's namespace with dnsmasq as its resolver."""
        return ["ip", "netns", "exec", self.client, "sh", "-c",
                'r=$(readlink -f /etc/resolv.conf) && [ -e "$r" ] && mount --bind "$0" "$r"; '
                'exec "$@"', os.path.join(self.directory, "resolv.conf"), *argv]

    def on_client(self, *argv, **kwargs):
        """Runs a command on the client."""
        return run(*self.client_argv(*argv), **kwargs)

    # What the nodes say

    def node(self, name):
        """By name."""
        return next(node for node in self.nodes if node.name == name)

    def holders(self, nodes=None):
        """{address: [the nodes that say they own it]} over all addresses that any of them knows."""
        result = {}
        for node in self.running() if nodes is None else nodes:
            for address, vip in node.vips().items():
                result.setdefault(address, [])
                if vip["owner"] == node.name and vip["state"] in ("owned", "draining"):
                    result[address].append(node.name)
        return dict(sorted(result.items(), key=lambda item: address_order(item[0])))

    def running(self):
        """The nodes with a live daemon."""
        return [node for node in self.nodes if node.running()]

    def owners(self, count=None, nodes=None):
        """{address: owner} once every address has exactly one and there are `count` addresses;
        else LabError."""
        holders = self.holders(nodes)
        if count is None:
            count = self.vip_count()
        if len(holders) != count:
            raise LabError("%d VIPs, expected %d: %s" % (len(holders), count, holders))
        wrong = {a: names for a, names in holders.items() if len(names) != 1}
        if wrong:
            raise LabError("without exactly one owner: %s" % wrong)
        return {address: names[0] for address, names in holders.items()}

    def vip_count(self):
        """How many VIPs the Services ask for."""
        return sum(service.count * len(service.families) for service in self.services)

    def wait_owned(self, timeout=20, count=None, nodes=None):
        """Waits until every VIP has exactly one owner and returns {address: owner}."""
        return wait_for("every VIP to have one owner", lambda: self.owners(count, nodes), timeout)

    def wait_moved(self, addresses, nodes, timeout=10):
        """Waits until each of the addresses is owned by one of the nodes, as these say themselves;
        returns {address: owner}."""
        def check():
            holders = self.holders(nodes)
            wrong = {a: holders.get(a) for a in addresses if len(holders.get(a, ())) != 1}
            if wrong:
                raise LabError("without exactly one new owner: %s" % wrong)
            return {address: holders[address][0] for address in addresses} or True
        return wait_for("other nodes to take over", check, timeout)

    def planned(self):
        """{address: first node of the plan}, as the first running node sees it."""
        return {a: vip["nodes"][0] for a, vip in self.running()[0].vips().items()}

    def wait_as_planned(self, timeout=40):
        """Waits until every VIP sits on the first node of its plan; returns {address: owner}."""
        def check():
            owners, plan = self.owners(), self.planned()
            if owners != plan:
                raise LabError("owned %s, planned %s" % (owners, plan))
            return owners
        return wait_for("every VIP to sit on the first node of its plan", check, timeout)

    # The end

    def close(self):
        """Ends what was started and removes what was made. Safe at any point and twice."""
        if self.closed:
            return
        self.closed = True
        atexit.unregister(self.close)
        daemons = [node.daemon for node in self.nodes if node.daemon]
        for daemon in daemons:
            if daemon.alive():
                daemon.send(signal.SIGCONT)
                daemon.send(signal.SIGTERM)
        for process in daemons:
            process.end()
        for process in [p for node in self.nodes for p in node.web.values()]:
            process.end(2)
        for process in self.processes:
            process.kill_all()
            process.popen.wait()
        for name in self.namespaces:
            run("ip", "netns", "del", name, check=False)
        if not os.environ.get("VIPGATE_LAB_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)


def _remove_leftovers():
    """What labs left behind whose process is gone (it was killed with SIGKILL): processes in their
    namespaces, the namespaces, their directories."""
    def gone(found):
        return found and not os.path.exists("/proc/" + found[1])
    for line in run("ip", "netns", "list").stdout.splitlines():
        name = line.split()[0]
        if gone(re.match(r"vg(\d+)-", name)):
            for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", name, check=False)
    for name in os.listdir(tempfile.gettempdir()):
        if gone(re.match(r"vipgate-lab-(\d+)-", name)):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def exit_on_signals():
    """Turns SIGTERM and SIGHUP into an orderly exit, as ^C is one already."""
    def leave(number, _frame):
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


class Asker(threading.Thread):
    """Asks for addresses from the client, all the time: an ARP request or an NS for each of them
    every `interval` seconds, until closed. Never looks at the answers. With `mac` and `sources` (v4,
    v6) it asks as a stranger on the client's cable, and the client's own cache learns nothing."""

    def __init__(self, lab, addresses, interval=0.002, mac=None, sources=CLIENT):
        super().__init__(daemon=True)
        self.interval = interval
        self.ending = threading.Event()
        with in_namespace(lab.client):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.bind(("eth0", 0))
        mac = mac or self.socket.getsockname()[4]
        self.frames = [ask_frame(mac, address, sources) for address in addresses]
        self.start()

    def run(self):
        while not self.ending.wait(self.interval):
            for frame in self.frames:
                self.socket.send(frame)

    def close(self):
        """Ends the questions."""
        self.ending.set()
        self.join()
        self.socket.close()


def ask_frame(mac, address, sources=CLIENT):
    """The client's ARP request or multicast NS for an address."""
    target = ipaddress.ip_address(address)
    source = ipaddress.ip_address(sources[target.version == 6])
    if target.version == 4:
        return b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + source.packed + \
            bytes(6) + target.packed
    group = bytes.fromhex("ff0200000000000000000001ff") + target.packed[13:]
    body = bytes.fromhex("8700000000000000") + target.packed + b"\x01\x01" + mac
    total = sum(int.from_bytes(chunk[i:i + 2], "big") for chunk in (
        source.packed + group + len(body).to_bytes(4, "big") + b"\0\0\0\x3a" + body,)
        for i in range(0, len(chunk), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    body = body[:2] + (~total & 0xffff).to_bytes(2, "big") + body[4:]
    return b"\x33\x33" + group[12:] + mac + b"\x86\xdd" + b"\x60\0\0\0" + \
        len(body).to_bytes(2, "big") + b"\x3a\xff" + source.packed + group + body


# The wire

@dataclasses.dataclass
class Frame:
    """A frame that a device sent into the segment, seen at its switch port."""
    time: float         # CLOCK_REALTIME
    sender: str         # the port's name: the node, or "client"
    data: bytes


def _filter(program):
    return b"".join(int(code).to_bytes(2, sys.byteorder) + bytes([jt, jf]) +
                    int(k).to_bytes(4, sys.byteorder) for code, jt, jf, k in program)


# ARP, or IPv6 with ICMPv6 as next header, as classic BPF.
_NEIGHBOUR_FILTER = _filter([
    (0x28, 0, 0, 12),           # ldh [12]
    (0x15, 3, 0, 0x0806),       # jeq ARP, accept
    (0x15, 0, 3, 0x86dd),       # jeq IPv6, else drop
    (0x30, 0, 0, 20),           # ldb [20]
    (0x15, 0, 1, 58),           # jeq ICMPv6, accept, else drop
    (0x06, 0, 0, 0xffff),
    (0x06, 0, 0, 0),
])

SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
PACKET_OUTGOING = 4


class Sniffer(threading.Thread):
    """Records the ARP and ICMPv6 frames that enter the switch, with the port that each came in by.
    So a frame's sender is known whatever its source MAC says."""

    def __init__(self, lab, everything=False):
        super().__init__(daemon=True)
        self.frames = []
        self.ending = False
        with in_namespace(lab.switch):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            if not everything:
                buffer = ctypes.create_string_buffer(_NEIGHBOUR_FILTER)
                # struct sock_fprog: unsigned short len; struct sock_filter *filter
                program = (len(_NEIGHBOUR_FILTER) // 8).to_bytes(8, sys.byteorder) + \
                    ctypes.addressof(buffer).to_bytes(8, sys.byteorder)
                self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.names = dict(socket.if_nameindex())
        self.socket.settimeout(0.1)
        # Only now does it receive anything: filter first, then the protocol.
        self._bind(lab)
        self.start()

    def _bind(self, lab):
        # bind() with an interface name looks the name up in this thread's namespace; "" is all.
        with in_namespace(lab.switch):
            address = ETH_P_ALL.to_bytes(2, "big")
            sockaddr = socket.AF_PACKET.to_bytes(2, sys.byteorder) + address + bytes(16)
            if _libc.bind(self.socket.fileno(), sockaddr, len(sockaddr)) != 0:
                raise OSError(ctypes.get_errno(), "bind")

    def run(self):
        while not self.ending:
            try:
                data, ancillary, _flags, address = self.socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            except OSError:
                return
            if address[2] == PACKET_OUTGOING or address[0] in ("br0", "lo"):
                continue
            when = time.time()
            for _level, kind, value in ancillary:
                if kind == SO_TIMESTAMPNS:
                    when = int.from_bytes(value[:8], sys.byteorder) + \
                        int.from_bytes(value[8:16], sys.byteorder) / 1e9
            self.frames.append(Frame(when, address[0], data))

    def mark(self):
        """A place in the record, for since()."""
        return len(self.frames)

    def since(self, mark=0):
        """The frames recorded from a mark on."""
        return self.frames[mark:]

    def close(self):
        """Ends the recording."""
        self.ending = True
        self.join()
        self.socket.close()


@dataclasses.dataclass
class Neighbour:
    """What an ARP or ND frame says about an address."""
    time: float
    sender: str
    kind: str           # arp-request, arp-reply, ns, na
    source: str         # ARP spa; IPv6 source address
    target: str         # ARP tpa; ND target
    source_mac: str     # of the Ethernet header
    destination_mac: str
    link_address: str   # ARP sha; the target or source link-layer address option, or ""
    target_mac: str     # ARP tha
    flags: int          # of an NA
    destination: str = ""


def _mac(data):
    return data.hex(":")


def neighbour(frame):
    """Frame → Neighbour, or None for what is neither ARP nor NS nor NA."""
    data = frame.data
    kind = data[12:14]
    if kind == b"\x08\x06" and len(data) >= 42:
        operation = int.from_bytes(data[20:22], "big")
        return Neighbour(frame.time, frame.sender,
                         "arp-reply" if operation == 2 else "arp-request",
                         str(ipaddress.IPv4Address(data[28:32])),
                         str(ipaddress.IPv4Address(data[38:42])),
                         _mac(data[6:12]), _mac(data[0:6]), _mac(data[22:28]), _mac(data[32:38]), 0)
    if kind == b"\x86\xdd" and len(data) >= 78 and data[20] == 58 and data[54] in (135, 136):
        option = ""
        at = 78
        while at + 8 <= len(data) and data[at + 1]:
            if data[at] in (1, 2):
                option = _mac(data[at + 2:at + 8])
            at += 8 * data[at + 1]
        return Neighbour(frame.time, frame.sender, "ns" if data[54] == 135 else "na",
                         str(ipaddress.IPv6Address(data[22:38])),
                         str(ipaddress.IPv6Address(data[62:78])),
                         _mac(data[6:12]), _mac(data[0:6]), option, "", data[58],
                         str(ipaddress.IPv6Address(data[38:54])))
    return None


def neighbours(frames):
    """All that are."""
    return [seen for frame in frames if (seen := neighbour(frame))]


def speaks_for(seen, vips):
    """The VIP that this frame claims to be at its sender's MAC, or None: every ARP frame with the
    VIP as sender, every NS from it, every NA that has it as target."""
    if seen.kind in ("arp-request", "arp-reply", "ns") and seen.source in vips:
        return seen.source
    if seen.kind == "na":
        if seen.target in vips:
            return seen.target
        if seen.source in vips:
            return seen.source
    return None


def is_announcement(seen):
    """The forms that design §9 allows for unasked speech: ARP request form, ARP reply form with
    THA = SHA, unsolicited NA with O=1 S=0 to all nodes."""
    if seen.kind == "arp-request":
        return seen.source == seen.target and seen.destination_mac == "ff:ff:ff:ff:ff:ff"
    if seen.kind == "arp-reply":
        return seen.source == seen.target and seen.target_mac == seen.link_address
    return seen.kind == "na" and seen.flags & 0xe0 == 0x20 and seen.destination == "ff02::1"


def is_answer(seen):
    """A reply to one asker."""
    if seen.kind == "arp-reply":
        return seen.source != seen.target and seen.destination_mac == seen.target_mac
    return seen.kind == "na" and seen.flags & 0xe0 == 0x60
