# SPDX-License-Identifier: BSD-3-Clause
"""The management path: what it hastens, what it holds back, and that nothing needs it."""

import itertools
import re
import time

import pytest

import conftest
import lab as lab_module
import load as load_module

SLOW = 4 if conftest.SANITIZED else 1
SILENCE_MS = 262        # conftest.CALM: five intervals of 50 ms and a quarter
HEARTBEAT = 0x88b5


@pytest.fixture(scope="module", params=["IPv4", "IPv6"])
def family(scene, request):
    """While these tests run the daemons have a management path."""
    conftest.calm(scene)
    conftest.restart(scene, conftest.CALM, request.param)
    yield request.param
    conftest.restart(scene, conftest.CALM)


@pytest.fixture(autouse=True)
def mended(scene, family):
    """No cut outlives its test."""
    del family
    yield
    scene.mend()
    for node in scene.nodes:
        node.management_link(True)


def paths(node):
    """{(peer, path): heard} as a node sees its peers."""
    return {(peer["node"], name): path["heard"] for peer in node.ask("peers")["peers"]
            for name, path in peer["paths"].items()}


def wait_heard(lab, front, management, nodes=None):
    """Waits until all nodes hear each other just so."""
    nodes = lab.nodes if nodes is None else nodes

    def check():
        for node in nodes:
            heard = paths(node)
            for peer in nodes:
                if peer is node:
                    continue
                for name, expected in (("front", front), ("management", management)):
                    if heard.get((peer.name, name)) is not expected:
                        raise lab_module.LabError("%s: %s" % (node.name, heard))
        return True
    lab_module.wait_for("front %s, management %s" % (front, management), check, 10)


def views(lab):
    """What each node knows of every VIP's claim."""
    return {node.name: {a: (vip["owner"], vip["epoch"]) for a, vip in node.vips().items()}
            for node in lab.running()}


def nothing_moves(lab, before, seconds=1.0):
    """Owners and epochs stay what they were, in everybody's eyes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert views(lab) == before


def test_all_peers_are_heard_on_both_paths(lab):
    wait_heard(lab, True, True)
    for node in lab.nodes:
        text = node.http("/metrics")[1]
        for name in ("heartbeats_sent_total", "heartbeats_heard_total"):
            for path in ("front", "management"):
                found = re.search(r'vipgate_%s\{[^}]*path="%s"[^}]*\} (\d+)' % (name, path), text)
                assert found and int(found[1]) > 0, (name, path)


def test_link_down_is_told_over_the_management_path(lab, load):
    victim = lab.nodes[2]
    others = [node for node in lab.nodes if node is not victim]
    before = lab.owners()
    hit = [a for a, owner in before.items() if owner == victim.name]
    marks = {node.name: len(node.log_text()) for node in others}
    load.mark()
    victim.link(False)
    after = lab.wait_owned(10, nodes=others)
    load.wait_answered()
    assert {a: o for a, o in after.items() if before[a] != victim.name} == \
        {a: o for a, o in before.items() if o != victim.name}
    causes = {}
    for node in others:
        for address, cause in re.findall(r"took (\S+), epoch \d+, cause (\S+),",
                                         node.log_text()[marks[node.name]:]):
            causes[address] = cause
    assert {address: causes.get(address) for address in hit} == dict.fromkeys(hit, "fenced")
    outage = load_module.judge(load.report(), [a for a in hit if a in load.addresses])
    assert outage.innocent_failed == []
    assert outage.outage_ms < SILENCE_MS / 4 * SLOW, outage
    victim.link(True)
    assert lab.wait_as_planned(60) == before


def test_the_management_network_alone_moves_nothing(lab):
    before = views(lab)
    for node in lab.nodes:
        node.management_link(False)
    wait_heard(lab, True, False)
    nothing_moves(lab, before)
    for node in lab.nodes:
        lab_module.wait_for("the problem in its status", lambda node=node: any(
            "2 of 2 peers are not heard on the management path" in problem["text"]
            for problem in node.ask("status")["problems"]), 5)
    for node in lab.nodes:
        node.management_link(True)
    wait_heard(lab, True, True)
    nothing_moves(lab, before, 0.3)


def test_a_cut_between_two_nodes_that_a_third_sees_moves_nothing(lab):
    before = views(lab)
    one, two = lab.nodes[:2]
    lab.cut([(one, two), (two, one)])
    lab_module.wait_for("the two to lose each other", lambda: not paths(one)[two.name, "front"]
                        and not paths(two)[one.name, "front"], 5)
    nothing_moves(lab, before)
    lab.mend()
    wait_heard(lab, True, True)
    nothing_moves(lab, before, 0.3)


def test_lost_heartbeats_on_the_front_move_nothing_while_gateways_answer(lab, wire):
    before = views(lab)
    owners = lab.owners()
    lab.cut(itertools.permutations(lab.nodes, 2), HEARTBEAT)
    wait_heard(lab, False, True)
    started = time.time()
    nothing_moves(lab, before)
    speakers = {(lab_module.speaks_for(seen, set(owners)), seen.sender) for seen in wire()
                if seen.time > started and lab_module.speaks_for(seen, set(owners))}
    assert speakers <= {(address, owner) for address, owner in owners.items()}
    lab.mend()
    wait_heard(lab, True, True)
    nothing_moves(lab, before, 0.3)


def test_who_dies_is_replaced_though_only_the_management_path_told_of_it(lab):
    before = lab.owners()
    victim = lab.nodes[0]
    others = lab.nodes[1:]
    lab.cut(itertools.permutations(lab.nodes, 2), HEARTBEAT)
    wait_heard(lab, False, True)
    victim.kill()
    after = lab.wait_owned(10)
    assert {a: o for a, o in after.items() if before[a] != victim.name} == \
        {a: o for a, o in before.items() if o != victim.name}
    # Claims reach the other one as rows on the management path.
    lab_module.wait_for("both to agree", lambda: {
        a: owner for a, (owner, _) in views(lab)[others[0].name].items()} == {
            a: owner for a, (owner, _) in views(lab)[others[1].name].items()} == after, 5)
