# SPDX-License-Identifier: BSD-3-Clause
"""Who answers for a VIP, as Debian's tools and the Linux neighbour table see it."""

import contextlib
import ipaddress
import json
import socket
import time

import pytest

import conftest
import lab as lab_module

NOBODYS4, NOBODYS6 = "192.0.2.131", "2001:db8::11f"


# Announcements count as replies for both tools: more replies than questions are no mistake.

def arping(lab, address, count=2):
    """The MACs that answer, one per reply."""
    return lab.on_client("arping", "-r", "-i", "eth0", "-c", str(count), "-W", "0.3", address,
                         check=False).stdout.split()


def ndisc6(lab, address):
    """The MACs that answer to one NS."""
    return lab.on_client("ndisc6", "-q", "-m", "-r", "1", "-w", "300", address, "eth0",
                         check=False).stdout.lower().split()


def version(address):
    """4 or 6."""
    return ipaddress.ip_address(address).version


def test_arping_hears_the_owner_and_nobody_else(lab):
    for address, owner in lab.owners().items():
        if version(address) == 4:
            assert set(arping(lab, address)) == {lab.node(owner).mac()}, address


def test_ndisc6_hears_the_owner_and_nobody_else(lab):
    for address, owner in lab.owners().items():
        if version(address) == 6:
            assert set(ndisc6(lab, address)) == {lab.node(owner).mac()}, address


def test_an_address_of_the_pool_that_is_no_vip_is_silent(lab):
    assert arping(lab, NOBODYS4) == []
    assert ndisc6(lab, NOBODYS6) == []


def test_the_nodes_own_addresses_answer(lab):
    for node in lab.nodes:
        assert set(arping(lab, node.address4)) == {node.mac()}
        assert set(ndisc6(lab, node.address6)) == {node.mac()}


def test_the_linux_neighbour_table_accepts_the_answer(lab):
    lab.on_client("ip", "neigh", "flush", "dev", "eth0")
    for address, owner in lab.owners().items():
        with lab_module.in_namespace(lab.client):
            port = lab.nodes[0].vips()[address]["services"][0] == "default/shop" and 8080 or 80
            with socket.create_connection((address, port), timeout=3):
                pass
        table = json.loads(lab.on_client("ip", "-j", "neigh", "show", "to", address,
                                         "dev", "eth0").stdout)
        assert [(entry["lladdr"], entry["state"]) for entry in table] == \
            [(lab.node(owner).mac(), ["REACHABLE"])], address


def test_vips_answer_ping(lab):
    for address in lab.owners():
        lab.on_client("ping", "-c", "1", "-W", "2", address)


def test_a_page_comes_from_the_owner(lab):
    for address, owner in lab.owners().items():
        port = 80 if lab.nodes[0].vips()[address]["services"] == ["default/nginx"] else 8080
        with lab_module.in_namespace(lab.client):
            sock = socket.create_connection((address, port), timeout=3)
        with sock, sock.makefile("rb") as answer:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert answer.read().endswith(b"\r\n\r\n" + owner.encode() + b"\n")


def test_a_port_that_no_service_has_is_silent(lab):
    for address in lab.owners():
        with lab_module.in_namespace(lab.client):
            sock = socket.socket(socket.AF_INET6 if version(address) == 6 else socket.AF_INET)
        with sock:
            sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                sock.connect((address, 22))


@contextlib.contextmanager
def new_client(lab, name="new"):
    """One more namespace on the segment, with addresses that nobody has heard of."""
    netns = lab.prefix + name
    address4, address6 = "192.0.2.210", "2001:db8::210"
    lab.add_namespace(netns)
    lab.cable(name, netns, "eth0")
    lab.ip(netns, "addr add %s/24 dev eth0" % address4, "addr add %s/64 dev eth0 nodad" % address6)
    try:
        yield netns, address4, address6
    finally:
        lab.remove_namespace(netns)


def test_an_on_link_client_never_spoken_with_gets_its_syn_ack(lab, wire):
    with new_client(lab) as (netns, address4, address6):
        for address, owner in lab.owners().items():
            port = 80 if lab.nodes[0].vips()[address]["services"] == ["default/nginx"] else 8080
            # Each connection finds a kernel that does not know the client.
            lab.node(owner).exec("ip", "neigh", "flush", "dev", "vip0")
            begun = time.time()
            with lab_module.in_namespace(netns):
                sock = socket.socket(socket.AF_INET6 if version(address) == 6 else socket.AF_INET)
            with sock:
                sock.settimeout(0.9)        # less than a retransmission of the SYN takes
                sock.connect((address, port))
            source = address6 if version(address) == 6 else address4

            def questions(owner=owner, source=source, begun=begun):
                return [seen for seen in wire() if seen.sender == owner and seen.target == source
                        and seen.kind in ("arp-request", "ns") and seen.time >= begun]
            lab_module.wait_for("%s's kernel to ask for the client" % owner, questions, 2)
            allowed = {lab.node(owner).address4} if version(address) == 4 else \
                {lab.node(owner).address6}
            for seen in questions():
                assert seen.source in allowed or seen.source.startswith("fe80:"), seen


@pytest.mark.parametrize("arp_announce", [2, 0])
def test_every_node_has_every_vip_on_lo_and_says_nothing_about_it(lab, wire, arp_announce):
    """With arp_announce=0 the kernel does say something, and vipgate must not let it out."""
    owners = lab.owners()
    for node in lab.nodes:
        have = {info["local"] for dev in json.loads(node.exec("ip", "-j", "addr", "show", "lo")
                                                     .stdout) for info in dev["addr_info"]}
        assert set(owners) <= have, node.name
    # Make each kernel ask for somebody unknown with each VIP as its source address.
    def announce(node, value):
        for name in ("vip0", "all"):        # the larger counts
            node.exec("sh", "-c", "echo %d >/proc/sys/net/ipv4/conf/%s/arp_announce" % (value, name))
    for node in lab.nodes:
        for address in owners:
            unknown = "192.0.2.250" if version(address) == 4 else "2001:db8::250"
            announce(node, arp_announce)
            node.exec("ping", "-c", "1", "-W", "0.1", "-I", address, unknown, check=False)
        announce(node, 2)

    def asked():
        return [seen for seen in wire() if seen.target in ("192.0.2.250", "2001:db8::250")]
    lab_module.wait_for("every kernel to ask", lambda: {
        (seen.sender, seen.kind) for seen in asked()} == {
            (node.name, kind) for node in lab.nodes for kind in ("arp-request", "ns")}, 2)
    assert [seen for seen in asked() if seen.source in owners] == []


def test_a_killed_nodes_kernel_names_no_vip_where_its_default_route_leads(lab, wire):
    """The kernel port is gone, the VIPs are still on lo: connections of theirs go elsewhere."""
    node = lab.nodes[1]
    before = lab.owners()
    node.kill()
    lab.wait_owned(10)
    for address in before:
        elsewhere = "198.51.100.1" if version(address) == 4 else "2001:db8:ffff::1"
        node.exec("ping", "-c", "1", "-W", "0.1", "-I", address, elsewhere, check=False)

    def asked():
        return [seen for seen in wire() if seen.sender == "m-" + node.name and
                seen.kind in ("arp-request", "ns")]
    lab_module.wait_for("the kernel to ask for its gateways",
                        lambda: {seen.kind for seen in asked()} == {"arp-request", "ns"}, 5)
    assert [seen for seen in asked() if seen.source in before] == []
    node.start()
    assert lab.wait_as_planned(60) == before


def test_a_vip_is_announced_again_and_again_after_it_was_taken(lab, wire):
    owners = lab.owners()
    victim = lab.nodes[0]
    begun = time.time()
    victim.kill()
    after = lab.wait_owned(10)
    moved = [a for a, owner in owners.items() if owner == victim.name]

    def announced(address):
        return [seen for seen in wire()
                if lab_module.speaks_for(seen, {address}) and seen.sender == after[address]
                and lab_module.is_announcement(seen) and seen.time > begun]

    def rounds(address):
        times = [seen.time for seen in announced(address)]
        return [t for i, t in enumerate(times) if i == 0 or t - times[i - 1] > 0.005]

    def scheduled(address):
        """Whether the rounds of some start come on time: a lease that ran out starts them anew."""
        times = rounds(address)
        return any([t - times[i] for t in times[i:i + 5]] == pytest.approx(
            [0, 0.02, 0.1, 0.4, 1.1], abs=0.2 if conftest.SANITIZED else 0.06)
                   for i in range(len(times) - 4))
    lab_module.wait_for("five rounds of announcements on time", lambda: all(
        scheduled(address) for address in moved), 10)
    for address in moved:
        if version(address) == 4:
            assert {seen.kind for seen in announced(address)} == {"arp-request", "arp-reply"}
