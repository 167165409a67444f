# SPDX-License-Identifier: BSD-3-Clause
"""Where VIPs sit, and that a fault moves those of the faulty node and no others."""

import collections

import pytest

import conftest
import lab as lab_module


def of_service(lab, name, version=None):
    """{address: owner} of one Service's VIPs."""
    vips = lab.nodes[0].vips()
    return {a: owner for a, owner in lab.owners().items()
            if vips[a]["services"] == ["default/" + name]
            and version in (None, lab_module.ipaddress.ip_address(a).version)}


def spread(owners):
    """How many VIPs the nodes have, most first."""
    return sorted(collections.Counter(owners.values()).values(), reverse=True)


def test_three_vips_on_three_nodes_sit_1_1_1(lab):
    assert spread(of_service(lab, "shop")) == [1, 1, 1]


def test_dual_stack_service_sits_2_2_2_with_each_family_1_1_1(lab):
    assert spread(of_service(lab, "nginx")) == [2, 2, 2]
    assert spread(of_service(lab, "nginx", 4)) == [1, 1, 1]
    assert spread(of_service(lab, "nginx", 6)) == [1, 1, 1]


def test_the_lowest_addresses_of_the_pool_are_taken(lab):
    assert sorted(lab.owners(), key=lab_module.address_order) == \
        ["192.0.2.%d" % i for i in range(100, 106)] + ["2001:db8::10%d" % i for i in range(3)]


def test_seven_on_three_sit_3_2_2_and_the_first_three_stay(lab):
    before = of_service(lab, "shop")
    lab.services = [conftest.NGINX, lab_module.Service("shop", 8080, 7, ("IPv4",))]
    lab.write_objects()
    lab.wait_as_planned(20)
    after = of_service(lab, "shop")
    assert spread(after) == [3, 2, 2]
    assert {address: after.get(address) for address in before} == before

    lab.services = [conftest.NGINX, conftest.SHOP]
    lab.write_objects()
    lab.wait_as_planned(20)
    assert of_service(lab, "shop") == before


def test_a_worker_node_is_in_no_plan(lab):
    front_ends = {node.name for node in lab.nodes}
    for node in lab.nodes:
        for address, vip in node.vips().items():
            assert set(vip["nodes"]) == front_ends, address


def test_all_nodes_say_the_same(lab):
    views = [{a: (vip["owner"], vip["epoch"], vip["nodes"], vip["class"], vip["services"])
              for a, vip in node.vips().items()} for node in lab.nodes]
    assert views[0] == views[1] == views[2]


@pytest.mark.parametrize("name", ["fe-1", "fe-2", "fe-3"])
def test_killing_a_node_moves_only_its_own_vips(lab, load, name):
    before = lab.owners()
    plans = {a: vip["nodes"] for a, vip in lab.nodes[0].vips().items()}
    victim = lab.node(name)
    hit = [a for a in load.addresses if before[a] == name]
    assert hit
    load.mark()
    victim.kill()
    after = lab.wait_owned(10)
    load.wait_answered()
    for address, owner in before.items():
        if owner == name:
            assert after[address] == plans[address][1], \
                "%s went past the second of %s" % (address, plans[address])
        else:
            assert after[address] == owner, "innocent %s moved" % address
    moved = spread({a: owner for a, owner in after.items() if before[a] == name})
    assert moved[0] - moved[-1] <= 1 and len(moved) == 2, \
        "a dead node's VIPs go to both others: %s" % moved
    report = load.report()
    assert [r for r in report["requests"] if r[4] is not None and r[2] not in hit] == []
    victim.start()
    assert lab.wait_as_planned(60) == before
