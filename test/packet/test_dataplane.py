# SPDX-License-Identifier: BSD-3-Clause
"""Frames against a running dataplane: what it answers, passes, holds back and gives back."""
import hashlib
import hmac
import re
import resource
import struct
import subprocess
import time

from scapy.all import (ARP, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IP, IPv6, TCP, UDP,
                       Dot1Q, Ether, Raw)

from conftest import (BEAT_TYPE, CLIENT4, CLIENT6, FREE4, FREE6, GATE, NODE, NODE4, NODE6, PORT,
                      PREFIX, VIP4, VIP6, Scene, Driver, ethertype, inside, sh, until, veth)

KEY = b"a key that only this test uses.\0"
BROADCAST = "ff:ff:ff:ff:ff:ff"


def who_has(scene, vip):
    return Ether(src=scene.wire.mac, dst=BROADCAST) / ARP(
        op=1, hwsrc=scene.wire.mac, psrc=CLIENT4, pdst=vip)


def solicit(scene, vip):
    low = bytes.fromhex("%02x%02x%02x" % tuple(socket_pton(vip)[13:]))
    group = "33:33:ff:%02x:%02x:%02x" % tuple(low)
    return Ether(src=scene.wire.mac, dst=group) / IPv6(
        src=CLIENT6, dst="ff02::1:ff%02x:%02x%02x" % tuple(low), hlim=255) / ICMPv6ND_NS(
            tgt=vip) / ICMPv6NDOptSrcLLAddr(lladdr=mac_text(scene.wire.mac))


def socket_pton(vip):
    import socket
    return socket.inet_pton(socket.AF_INET6, vip)


def mac_text(mac):
    return ":".join("%02x" % byte for byte in mac)


def is_arp_reply(frame):
    return ethertype(frame) == 0x0806 and frame[20:22] == b"\0\2"


def is_advertisement(frame):
    return ethertype(frame) == 0x86DD and len(frame) > 54 and frame[20] == 58 and frame[54] == 136


def udp(scene, vip, port, payload=b"hello"):
    layer = IPv6(src=CLIENT6, dst=vip) if ":" in vip else IP(src=CLIENT4, dst=vip)
    return Ether(src=scene.wire.mac, dst=scene.mac) / layer / UDP(
        sport=4000, dport=port) / Raw(payload)


def stopped_clean(scene):
    assert scene.driver.stop() == "stopped 0", "".join(scene.driver.log)


def test_arp_for_an_owned_vip_is_answered_by_our_mac(scene):
    scene.wire.send(who_has(scene, VIP4))
    frame, = scene.wire.frames(is_arp_reply)
    reply = Ether(frame)
    assert (reply[ARP].psrc, reply[ARP].hwsrc) == (VIP4, mac_text(scene.mac))
    assert (reply.dst, reply[ARP].pdst) == (mac_text(scene.wire.mac), CLIENT4)
    until(lambda: scene.driver.counters()["arp_answered"] == 1)
    stopped_clean(scene)


def test_a_solicitation_for_an_owned_vip_is_answered(scene):
    scene.wire.send(solicit(scene, VIP6))
    frame, = scene.wire.frames(is_advertisement)
    reply = Ether(frame)
    assert (reply[ICMPv6ND_NA].tgt, reply.src) == (VIP6, mac_text(scene.mac))
    until(lambda: scene.driver.counters()["ndp_answered"] == 1)
    stopped_clean(scene)


def test_a_vip_that_is_not_owned_is_silent_until_it_is(scene):
    for ask, vip, other, reply in ((who_has, FREE4, VIP4, is_arp_reply),
                                   (solicit, FREE6, VIP6, is_advertisement)):
        scene.wire.send(ask(scene, vip))
        scene.wire.send(ask(scene, other))  # once this is answered, that one never will be
        assert len(scene.wire.frames(reply)) == 1
        assert not scene.wire.frames(reply, deadline=0.05)
        scene.driver.do("own", 0, vip, 1)
        scene.wire.send(ask(scene, vip))
        assert len(scene.wire.frames(reply)) == 1
        scene.driver.do("own", 0, vip, 0)
        scene.wire.send(ask(scene, vip))
        scene.wire.send(ask(scene, other))
        assert len(scene.wire.frames(reply)) == 1
        assert not scene.wire.frames(reply, deadline=0.05)
    drops = scene.driver.counters()["drops"]
    assert (drops["arp_not_owned"], drops["nd_not_owned"]) == (2, 2)
    assert scene.driver.ask("own", 0, "192.0.2.99", 1) == "error No such file or directory"


def test_without_a_lease_nothing_is_answered_and_each_answer_is_counted(scene):
    for lease in (0, -1):
        before = scene.driver.drops("no_lease")
        scene.driver.do("lease", 0, lease)
        for frame in (who_has(scene, VIP4), solicit(scene, VIP6)):
            scene.wire.send(frame)
        until(lambda: scene.driver.drops("no_lease") == before + 2)
        assert not scene.wire.frames(lambda f: is_arp_reply(f) or is_advertisement(f),
                                     deadline=0.05)


def test_a_lease_runs_out_by_itself(xdp):
    xdp.driver.do("lease", 0, 300)
    end = time.monotonic() + 0.3
    xdp.wire.send(who_has(xdp, VIP4))
    assert len(xdp.wire.frames(is_arp_reply)) == 1
    answered = 0
    while time.monotonic() < end + 0.05:
        xdp.wire.send(who_has(xdp, VIP4))
        late = time.monotonic() > end
        got = len(xdp.wire.frames(is_arp_reply, deadline=0.02))
        assert not (late and got)
        answered += got
    assert answered > 0
    assert xdp.driver.drops("no_lease") > 0


def test_frames_to_open_ports_of_a_vip_reach_the_kernel_port_and_no_others(scene):
    for vip in (VIP4, VIP6):
        scene.wire.send(udp(scene, vip, 54))
        scene.wire.send(udp(scene, vip, 53, b"for the kernel"))
        frame, = scene.kernel.frames(lambda f: b"for the kernel" in f)
        assert Ether(frame)[UDP].dport == 53
    until(lambda: scene.driver.counters()["to_kernel"] >= 2)
    assert scene.driver.drops("closed_port") == 2
    stopped_clean(scene)


def test_what_the_kernel_sends_leaves_by_the_wire_but_not_in_a_vips_name(scene):
    node = Ether(src=scene.mac, dst=scene.wire.mac)
    scene.kernel.send(Ether(src=scene.mac, dst=BROADCAST) / ARP(
        op=2, hwsrc=mac_text(scene.mac), psrc=VIP4, hwdst=mac_text(scene.mac), pdst=VIP4))
    scene.kernel.send(node / IP(src=VIP4, dst=CLIENT4) / UDP(sport=53, dport=4000) / Raw(b"yes"))
    frame, = scene.wire.frames(lambda f: b"yes" in f)
    assert len(frame) >= 60
    until(lambda: scene.driver.drops("guard_arp") == 1)
    scene.wire.flush()
    scene.kernel.send(Ether(src=scene.mac, dst=BROADCAST) / ARP(
        op=1, hwsrc=mac_text(scene.mac), psrc=VIP4, pdst="192.0.2.1"))
    # Not the answer that the far end's kernel may want from the VIP meanwhile.
    frame, = scene.wire.frames(lambda f: ethertype(f) == 0x0806 and f[20:22] == b"\0\1")
    assert Ether(frame)[ARP].psrc == NODE4
    stopped_clean(scene)


def test_the_node_is_pinged_through_the_kernel_port_without_loss(scene):
    for address in (NODE4, NODE6):
        inside(GATE, "ping -c 1 -W 5 %s" % address)  # neighbours are known from here on
        said = inside(GATE, "ping -c 100 -i 0.01 -W 5 %s" % address)
        assert " 0% packet loss" in said
        average = float(re.search(r"= [\d.]+/([\d.]+)/", said).group(1))
        assert average < 10, said
    stopped_clean(scene)


def test_a_vip_is_pinged_and_the_worker_itself_answers(scene):
    for vip in (VIP4, VIP6):
        inside(GATE, "ping -c 20 -i 0.01 -W 5 %s" % vip)
    until(lambda: scene.driver.counters()["echo_answered"] == 40)


TALK = """
import socket, sys, hashlib
family, address, serve = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, sys.argv[1], \
    sys.argv[2] == "serve"
s = socket.socket(family, socket.SOCK_STREAM)
if serve:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, 80)); s.listen(); print("listening", flush=True)
    c, _ = s.accept()
    data = b""
    while len(data) < 2000000:
        data += c.recv(65536)
    c.sendall(hashlib.sha256(data).digest() + data)
    c.shutdown(socket.SHUT_WR); c.recv(1)
else:
    s.settimeout(20); s.connect((address, 80))
    data = bytes(range(250)) * 8000
    s.sendall(data)
    got = b""
    while True:
        more = s.recv(65536)
        if not more: break
        got += more
    assert got == hashlib.sha256(data).digest() + data, len(got)
"""


def test_a_vip_serves_tcp_both_ways_unbroken(scene):
    for vip in (VIP4, VIP6):
        server = subprocess.Popen(
            ["ip", "netns", "exec", NODE, "python3", "-c", TALK, vip, "serve"],
            stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout.readline() == "listening\n"
            client = subprocess.run(
                ["ip", "netns", "exec", GATE, "python3", "-c", TALK, vip, "ask"],
                capture_output=True, text=True, timeout=60, check=False)
            assert client.returncode == 0, client.stderr + str(scene.driver.counters())
            assert server.wait(10) == 0
        finally:
            server.kill()
            server.wait()
    stopped_clean(scene)


def is_beat(frame):
    return ethertype(frame) == BEAT_TYPE


def beat_fields(frame):
    body = frame[14:]
    length, = struct.unpack_from("!H", body, 2)
    seq, = struct.unpack_from("!Q", body, 20)
    lapsed, = struct.unpack_from("!H", body, 36)
    signed = hmac.new(KEY, body[:length - 16], hashlib.sha256).digest()[:16]
    assert body[length - 16:length] == signed
    assert not any(body[length:])
    return seq, lapsed


def test_beats_leave_on_time_stamped_and_signed(scene):
    scene.driver.do("lease", 0, "ever")
    scene.driver.do("beat", 0, 20000)
    frames = scene.wire.frames(is_beat)
    begun = time.monotonic()
    frames += scene.wire.frames(is_beat, 50)
    took = time.monotonic() - begun
    assert len(frames) == 51
    assert 0.9 < took < 1.3
    assert {frame[0:6] for frame in frames} == {bytes.fromhex("0300000088b5")}
    assert {frame[6:12] for frame in frames} == {scene.mac}
    fields = [beat_fields(frame) for frame in frames]
    assert [seq for seq, _ in fields] == list(range(fields[0][0], fields[0][0] + 51))
    assert {lapsed for _, lapsed in fields} == {0}
    newest = fields[-1][0]
    assert 0 <= scene.driver.ask("sent_at", 0, newest)["age_ns"] < 1_000_000_000
    assert scene.driver.ask("sent_at", 0, newest + 1000)["age_ns"] == -1
    scene.driver.do("beat", 0, 0)
    stopped_clean(scene)


def test_a_beat_says_for_how_long_the_lease_has_lapsed(xdp):
    for lease, low, high in ((0, 65535, 65535), (-5, 5, 1000), (-100000, 65534, 65534),
                             ("ever", 0, 0)):
        xdp.driver.do("lease", 0, lease)
        xdp.wire.flush()
        xdp.driver.do("beat", 0, 1000000, "now")
        frame, = xdp.wire.frames(is_beat)
        assert low <= beat_fields(frame)[1] <= high


def test_a_beat_that_must_go_at_once_does_not_wait_for_its_turn(xdp):
    xdp.driver.do("beat", 0, 1000000)
    assert len(xdp.wire.frames(is_beat)) == 1
    begun = time.monotonic()
    xdp.driver.do("beat", 0, 1000000, "now")
    assert len(xdp.wire.frames(is_beat)) == 1
    assert time.monotonic() - begun < 0.3


def test_messages_of_control_take_their_seq_from_the_same_counter(xdp):
    xdp.driver.do("beat", 0, 1000000)
    first, = xdp.wire.frames(is_beat)
    xdp.driver.do("message", 0)
    second, = xdp.wire.frames(is_beat)
    assert beat_fields(second)[0] == beat_fields(first)[0] + 1


def test_announcements_leave_only_for_owned_vips_under_a_lease(scene):
    for vip, kind in ((VIP4, lambda f: ethertype(f) == 0x0806), (VIP6, is_advertisement)):
        scene.wire.flush()
        scene.driver.do("announce", 0, vip)
        assert len(scene.wire.frames(kind)) == 1
    before = scene.driver.drops("no_lease")
    scene.driver.do("announce", 0, FREE4)
    scene.driver.do("lease", 0, 0)
    scene.driver.do("announce", 0, VIP6)
    until(lambda: scene.driver.drops("no_lease") == before + 2)
    until(lambda: scene.driver.counters()["announced"] == 2)
    stopped_clean(scene)


def test_a_thousand_announcements_leave_without_loss(xdp):
    for _ in range(10):
        said = xdp.driver.ask("announce", 0, VIP4, 100)
        assert said == "ok"
    until(lambda: xdp.driver.counters()["announced"] == 1000)
    stopped_clean(xdp)


def test_heartbeats_of_others_reach_control_in_order(scene):
    body = bytes([1, 1]) + struct.pack("!H", 68) + bytes(64)
    for n in range(100):
        scene.wire.send(Ether(src=scene.wire.mac, dst="03:00:00:00:88:b5", type=BEAT_TYPE) /
                        Raw(body[:20] + struct.pack("!Q", n) + body[28:]))
    events = []

    def collected():
        events.extend(scene.driver.ask("events", 0))
        return len(events) >= 100
    until(collected)
    assert [int(event["frame"][68:84], 16) for event in events] == list(range(100))
    assert all(0 <= event["age_ns"] < 10_000_000_000 for event in events)
    stopped_clean(scene)


def test_a_full_event_queue_is_counted_and_loses_no_buffer(xdp):
    body = bytes([1, 1]) + struct.pack("!H", 68) + bytes(64)
    frame = bytes(Ether(src=xdp.wire.mac, dst="03:00:00:00:88:b5", type=BEAT_TYPE) / Raw(body))
    sent = 0
    while xdp.driver.drops("event_queue_full") == 0:
        for _ in range(200):
            xdp.wire.send(frame)
        sent += 200
        assert sent < 100000
    stopped_clean(xdp)


def test_an_idle_worker_waits_and_costs_next_to_nothing(scene):
    before, = scene.driver.ask("workers", 0)
    begun = cpu_seconds(scene.driver)
    select_sleep(1)
    used = cpu_seconds(scene.driver) - begun
    after, = scene.driver.ask("workers", 0)
    assert after["waits"] > before["waits"] + 20
    assert used < 0.15, "%.2f s of CPU in one second" % used


def select_sleep(seconds):
    """A span over which something is measured, not a wait for anything."""
    time.sleep(seconds)


def cpu_seconds(driver):
    """User and system time of the driver, which `ip netns exec` became."""
    with open("/proc/%d/stat" % driver.process.pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_stopped_process_answers_nothing_when_it_goes_on(xdp):
    import os
    import signal
    xdp.driver.do("lease", 0, 200)
    pid = xdp.driver.process.pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "T")
    for _ in range(50):
        xdp.wire.send(who_has(xdp, VIP4))
    select_sleep(0.3)  # the lease is over
    os.kill(pid, signal.SIGCONT)
    until(lambda: xdp.driver.drops("no_lease") == 50)
    assert not xdp.wire.frames(is_arp_reply, deadline=0.05)


def test_tables_are_replaced_under_traffic(xdp):
    flood = subprocess.Popen(
        ["ip", "netns", "exec", GATE, "ping", "-q", "-f", "-w", "3", VIP4],
        stdout=subprocess.DEVNULL)
    try:
        for _ in range(20):
            xdp.driver.do("republish", 0, 50)
    finally:
        flood.terminate()
        flood.wait()
    stopped_clean(xdp)


def test_a_killed_process_leaves_nothing_that_the_next_one_stumbles_over(namespaces):
    veth()
    arguments = ("-l", "1", "-d", "net_af_xdp0,iface=%snic" % PREFIX, "-k", PORT)
    first = Driver(*arguments)
    assert first.first == "started"
    first.kill()
    assert "xdp" in sh("ip -n %s link show %snic" % (NODE, PREFIX))
    assert PORT not in sh("ip -n %s link" % NODE)
    second = Driver(*arguments)
    try:
        assert second.first == "started"
        assert second.stop() == "stopped 0"
        assert "xdp" not in sh("ip -n %s link show %snic" % (NODE, PREFIX))
    finally:
        second.kill()


def test_a_second_process_does_not_take_a_netdev_from_the_first(namespaces):
    veth()
    device = "net_af_xdp0,iface=%snic" % PREFIX
    first = Driver("-l", "1", "-d", device, "-k", PORT)
    second = Driver("-l", "1", "-d", device, "-k", PORT + "b")
    try:
        assert second.first == "failed device %s: another vipgate uses this netdev" % device
        assert "xdp" in sh("ip -n %s link show %snic" % (NODE, PREFIX))
        assert first.stop() == "stopped 0"
    finally:
        first.kill()
        second.kill()


def test_two_dataplanes_run_on_one_machine(namespaces):
    one = Driver("-l", "1", "-d", "net_tap0,iface=%sa" % PREFIX, "-k", PORT + "a")
    two = Driver("-l", "1", "-d", "net_tap0,iface=%sb" % PREFIX, "-k", PORT + "b")
    try:
        assert (one.first, two.first) == ("started", "started")
        assert (one.stop(), two.stop()) == ("stopped 0", "stopped 0")
    finally:
        one.kill()
        two.kill()


def test_a_tagged_interface_speaks_with_its_tag(namespaces):
    scene = Scene("net_af_xdp", vlan=7)
    try:
        scene.wire.send(who_has(scene, VIP4))  # untagged: wrong
        frame = who_has(scene, VIP4)
        frame = Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=7) / frame[ARP]
        scene.wire.send(frame)
        until(lambda: scene.driver.counters()["arp_answered"] == 1)
        assert scene.driver.drops("wrong_vlan") >= 1
        scene.driver.do("beat", 0, 20000)
        until(lambda: scene.driver.counters()["beats_sent"] > 0)
        stopped_clean(scene)
    finally:
        scene.close()


def test_two_workers_share_two_interfaces(namespaces):
    driver = Driver("-l", "0", "-l", "1", "-d", "net_tap0,iface=%sa" % PREFIX, "-k", PORT + "a",
                    "-d", "net_tap1,iface=%sb" % PREFIX, "-k", PORT + "b")
    try:
        assert driver.first == "started", driver.first
        assert [driver.ask("info", i)["queues"] for i in (0, 1)] == [2, 2]
        for interface in (0, 1):
            driver.do("beat", interface, 10000)
            until(lambda: driver.counters(interface)["beats_sent"] > 5)
        assert driver.ask("polled", 0)["age_ns"] < 1_000_000_000
        assert driver.stop() == "stopped 0", "".join(driver.log)
    finally:
        driver.kill()


def failure(*arguments):
    driver = Driver("-l", "1", *arguments)
    driver.kill()
    return driver.first


def test_what_cannot_be_opened_is_said_in_a_sentence(namespaces):
    veth()
    xdp = "net_af_xdp0,iface=%snic" % PREFIX
    for arguments, said in (
            (("-d", "net_af_xdp0,iface=nosuch"), "no netdev nosuch"),
            (("-d", "net_af_xdp0"), "expected an argument iface="),
            (("-d", "net_pcap0,rx_pcap=/nosuch"), "Couldn't open /nosuch"),
            (("-d", "0000:ff:1f.7"), "no such device"),
            (("-d", xdp, "-m", "4000"), "at most 3300"),
            (("-d", "net_tap0,iface=vgpx", "-m", "1600"), "68 to 1504"),
            (("-d", xdp, "-B", "vhost"), "/dev/vhost-net"),
            (("-M", "8", "-d", xdp), "does not fit into memory: 8"),
            (("-H", "yes", "-M", "1000000", "-d", xdp), "hugepages: yes"),
            (("-l", "4095", "-d", xdp), "lcore 4095"),
            (("-d", xdp, "-k", "lo"), "kernel port lo"),
            (("-d", xdp, "-d", xdp), "have one device")):
        assert said in failure(*arguments), arguments


def test_kernel_frames_that_a_closed_port_refuses_are_counted(xdp):
    inside(NODE, "ip link set %s down" % PORT)
    xdp.wire.send(udp(xdp, VIP4, 53))
    until(lambda: xdp.driver.drops("kernel_full") > 0)
    stopped_clean(xdp)


def test_a_dataplane_fits_into_64_mb_without_hugepages(namespaces):
    veth()
    driver = Driver("-l", "1", "-M", "64", "-H", "no", "-d", "net_af_xdp0,iface=%snic" % PREFIX,
                    "-k", PORT)
    try:
        assert driver.first == "started"
        assert driver.ask("mbufs", 0)["available"] > 4000
        assert resource.getpagesize() == 4096
        assert driver.stop() == "stopped 0"
    finally:
        driver.kill()
