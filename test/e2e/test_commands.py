# SPDX-License-Identifier: BSD-3-Clause
"""The commands and the HTTP server of a daemon at work."""

import os

import lab as lab_module


def test_vips_lists_what_design_section_5_names(lab):
    vips = lab.nodes[0].ask("vips")["vips"]
    assert len(vips) == lab.vip_count()
    for vip in vips:
        assert {"address", "class", "services", "nodes", "owner", "state", "epoch", "since"} <= \
            set(vip)
        assert vip["state"] == ("owned" if vip["owner"] == "fe-1" else "peer")
        assert vip["since"].endswith("Z") and vip["epoch"] > 0


def test_peers_hear_each_other(lab):
    for node in lab.nodes:
        peers = {peer["node"]: peer for peer in node.ask("peers")["peers"]}
        assert set(peers) == {other.name for other in lab.nodes} - {node.name}
        for peer in peers.values():
            assert peer["state"] in ("STANDBY", "ACTIVE")
            assert peer["paths"]["front"]["heard"] is True
            assert peer["paths"]["front"]["age_ms"] < 1000


def test_status_says_all_is_well(lab):
    lab_module.wait_for("all nodes to be ACTIVE", lambda: all(
        node.ask("status")["state"] == "ACTIVE" for node in lab.nodes), 10)
    for node in lab.nodes:
        status = node.ask("status")
        assert status["node"] == node.name
        assert status["problems"] == []
        interface, = status["interfaces"]
        assert interface["name"] == "front"
        assert interface["mac"] == node.mac()


def test_stats_count_what_was_answered(lab):
    address, owner = next(iter(lab.owners().items()))
    node = lab.node(owner)
    before, = node.ask("stats")["interfaces"]
    lab.on_client("arping", "-c", "3", "-i", "eth0", "-W", "0.1", address)
    after, = node.ask("stats")["interfaces"]
    assert after["arp_answered"] - before["arp_answered"] >= 3
    assert after["rx_packets"] - before["rx_packets"] >= 3
    assert isinstance(after["drops"], dict)


def test_tables_have_a_head_and_a_line_each(lab):
    for command, rows in (("vips", lab.vip_count()), ("peers", 2)):
        lines = lab.nodes[0].cli(command).stdout.splitlines()
        assert lines[0].split()[0].isupper()
        assert len(lines) == rows + 1, command


def test_explain_tells_candidates_and_why(lab):
    for address, owner in lab.owners().items():
        text = lab.nodes[0].cli("explain", address).stdout
        assert owner in text and "w-1" in text, text
    assert lab.nodes[0].cli("explain", "default/nginx").stdout
    assert lab.nodes[0].cli("explain", "192.0.2.131", check=False).returncode == 1


def test_http_serves_health_readiness_and_metrics(lab):
    for node in lab.nodes:
        assert node.http("/healthz")[0] == 200
        assert node.http("/readyz")[0] == 200
        assert node.http("/nothing")[0] == 404
        status, text = node.http("/metrics")
        assert status == 200
        names = {line.split("{")[0].split(" ")[0] for line in text.splitlines()
                 if line and not line.startswith("#")}
        assert "vipgate_build_info" in names
        assert all(name.startswith("vipgate_") for name in names)


def test_a_starting_node_is_not_ready_and_then_is(lab):
    node = lab.nodes[0]
    assert node.stop() == 0
    node.start()
    seen = []

    def ready():
        try:
            seen.append(node.http("/readyz")[0])
        except OSError:
            return False
        return seen[-1] == 200
    lab_module.wait_for("readiness", ready, 20)
    assert seen[0] == 503, "ready before it joined: %s" % seen
    lab.wait_as_planned(30)


def test_status_names_a_wrong_key_and_a_name_used_twice(lab):
    first, _, last = lab.nodes
    right = last.config_text()
    key = os.path.join(last.directory, "other.key")
    with open(key, "w", encoding="ascii",
              opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write("5a" * 32 + "\n")

    def restart(text):
        assert last.stop() == 0
        last.config_text = lambda: text
        last.start()

    def problems(node):
        return "\n".join(problem["text"] for problem in node.ask("status")["problems"])
    try:
        restart(right.replace(os.path.join(lab.directory, "heartbeat.key"), key))
        lab_module.wait_for("the wrong key to be named", lambda: all(
            "no key of this node has signed" in problems(node) for node in lab.nodes), 20)
        restart(right.replace("node: fe-3", "node: fe-2"))
        lab_module.wait_for("the name to be named", lambda: all(
            "another machine calls itself fe-2" in problems(node) for node in lab.nodes[1:]), 20)
        lab_module.wait_for("the twins to be named", lambda: (
            "two machines have one node name" in problems(first)), 20)
    finally:
        restart(right)
        del last.config_text
    lab.wait_as_planned(60)
    lab_module.wait_for("the problems to be over", lambda: not any(
        problems(node) for node in lab.nodes), 90)
