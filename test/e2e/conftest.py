# SPDX-License-Identifier: BSD-3-Clause
"""One scene for the whole session. Each test starts from the calm state (every VIP on the first
node of its plan) and ends with what holds always: no frame that only an owner may send in a form
that it may not have, no sanitizer report, no crash."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lab as lab_module        # noqa: E402
import load as load_module      # noqa: E402

BUILD = os.environ.get("VIPGATE_BUILD", os.path.join(lab_module.TOP, "build"))
SANITIZED = "sanitize" in os.path.basename(BUILD.rstrip("/"))

NGINX = lab_module.Service("nginx", 80, 3, ("IPv4", "IPv6"))
SHOP = lab_module.Service("shop", 8080, 3, ("IPv4",))
CALM = ("50ms", 5)      # so slow that what moves something is the fault, not a busy machine


@pytest.fixture(scope="session")
def scene():
    """Three front-end nodes, a worker, a client; two Services with an nginx of their own each."""
    lab_module.exit_on_signals()
    with lab_module.Lab(BUILD, services=[NGINX, SHOP], hold="500ms",
                        management=True, interval=CALM[0], multiplier=CALM[1]) as lab:
        lab.start_web()
        lab.start_daemons()
        lab.wait_as_planned(60)
        lab.start_dns(lab.owners())
        yield lab


@pytest.fixture(scope="session")
def recorded(scene):
    """Everything said about neighbours on the wire, from the first test to the last."""
    sniffer = lab_module.Sniffer(scene)
    yield sniffer
    sniffer.close()


def calm(lab):
    """Puts right what the test before left behind."""
    changed = False
    lab.services = [NGINX, SHOP]
    lab.write_objects()
    for node in lab.nodes:
        node.link(True)
        for service in lab.services:
            if not node.web[service.name].alive():
                node.web_start(service)
        changed |= not node.running()
    if not changed:
        try:
            lab.wait_as_planned(3)
            return
        except lab_module.LabError:
            pass
    # A node that died or was fenced lately waits longer each time before it takes VIPs back, as its
    # state file remembers. The next test shall not pay for this one.
    for node in lab.nodes:
        if node.running():
            assert node.stop() == 0, node.log_tail()
        node.forget()
    lab.start_daemons()
    lab.wait_as_planned(60)


def restart(lab, timing, family=None):
    """All daemons anew: interval and multiplier, with a management path in a family or without."""
    for node in lab.nodes:
        if node.running():
            assert node.stop() == 0, node.log_tail()
        node.forget()
    lab.management_path = family
    lab.interval, lab.multiplier = timing
    lab.start_daemons()
    lab.wait_as_planned(60)


@pytest.fixture
def lab(scene, recorded):
    """The scene, calm."""
    calm(scene)
    mark = recorded.mark()
    logged = {node.name: len(node.log_text()) for node in scene.nodes}
    yield scene
    for node in scene.nodes:        # shown when the test fails
        print("---- %s logged\n%s" % (node.name, node.log_text()[logged[node.name]:]))
    assert_only_owners_speak(scene, recorded.since(mark))
    for node in scene.nodes:
        text = node.log_text()
        for bad in ("AddressSanitizer", "LeakSanitizer", "runtime error:"):
            assert bad not in text, node.name + ": " + text[text.index(bad):][:4000]


@pytest.fixture
def wire(lab, recorded):
    """What is said from now on: wire() gives the Neighbours since the test began."""
    mark = recorded.mark()
    return lambda: lab_module.neighbours(recorded.since(mark))


@pytest.fixture
def load(lab):
    """A client that fetches pages by name and times each VIP of the Service nginx."""
    vips = [a for a, vip in lab.nodes[0].vips().items() if vip["services"] == ["default/nginx"]]
    loader = load_module.Load(lab, "--probe-interval", "0.004", "--request-interval", "0.006",
                              addresses=vips)
    loader.wait_answered()
    yield loader
    loader.close()


def assert_only_owners_speak(lab, frames):
    """Who speaks for a VIP does so in an owner's forms, with its own MAC."""
    vips = {ip for ip in pool_addresses()}
    macs = {node.name: node.mac() for node in lab.nodes}
    for seen in lab_module.neighbours(frames):
        vip = lab_module.speaks_for(seen, vips)
        if vip is None:
            continue
        assert lab_module.is_answer(seen) or lab_module.is_announcement(seen), \
            "neither answer nor announcement: %s" % seen
        assert seen.sender in macs, "%s speaks for a VIP: %s" % (seen.sender, seen)
        assert seen.source_mac == seen.link_address == macs[seen.sender], \
            "%s names another MAC: %s" % (seen.sender, seen)


def pool_addresses():
    """All addresses that may be VIPs."""
    return {"192.0.2.%d" % i for i in range(100, 132)} | \
        {"2001:db8::%x" % i for i in range(0x100, 0x120)}
