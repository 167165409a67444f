# SPDX-License-Identifier: BSD-3-Clause
"""What good and bad input gets: vipgate check, exit codes, reloads."""

import os
import re
import signal

import conftest
import lab as lab_module

SLIDE = """apiVersion: v1
kind: Service
metadata:
  name: slide
  namespace: default
  annotations:
    network.deckhouse.io/l2-load-balancer-name: ingress
    network.deckhouse.io/l2-load-balancer-external-ips-count: "3"
spec:
  type: LoadBalancer
  LoadBalancerClass: front
  selector:
    app: nginx
  ports:
    - name: http
      protocol: TCP
      port: 80
"""


def vipgate(lab, *argv):
    """Runs a command without --socket."""
    return lab_module.run(lab.vipgate, *argv, check=False,
                          env={**os.environ, **lab.environment})


def test_check_accepts_the_config_and_prints_the_plan(lab):
    done = vipgate(lab, "check", "--config", lab.nodes[0].config)
    assert done.returncode == 0, done.stderr
    for address, nodes in ((a, vip["nodes"]) for a, vip in lab.nodes[0].vips().items()):
        line = next(line for line in done.stdout.splitlines() if address in line.split())
        assert [line.find(name) for name in nodes] == sorted(line.find(name) for name in nodes) \
            and line.find(nodes[0]) >= 0, line


def test_check_names_every_mistake_with_its_place(lab, tmp_path):
    good = lab.nodes[0].config_text()
    bad = good.replace("multiplier: 5", "multiplier: 33") \
        .replace("interval: 50ms", "interval: 20 parsecs") \
        .replace("idle: adaptive", "idle: lazy") + "colour: blue\n"
    path = tmp_path / "bad.yaml"
    path.write_text(bad)
    done = vipgate(lab, "check", "--config", str(path))
    assert done.returncode == 2
    places = re.findall(r"^%s:(\d+):(\d+): error: (.*)$" % re.escape(str(path)),
                        done.stderr + done.stdout, re.M)
    lines = bad.splitlines()
    expected = [(number + 1, word) for number, line in enumerate(lines)
                for word in ("multiplier: 33", "20 parsecs", "idle: lazy", "colour") if word in line]
    assert len(expected) == 4
    assert sorted(int(line) for line, _, _ in places) == sorted(line for line, _ in expected), \
        done.stderr + done.stdout
    for line, column, _ in places:
        assert lines[int(line) - 1][int(column) - 1:].strip()


def test_run_refuses_a_bad_config_with_exit_2(lab, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("node: x\n")
    done = vipgate(lab, "run", "--config", str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr + done.stdout


def test_an_unreadable_key_is_a_config_error(lab, tmp_path):
    path = tmp_path / "nokey.yaml"
    path.write_text(re.sub(r"key_file: .*", "key_file: /nonexistent/key",
                           lab.nodes[0].config_text()))
    done = vipgate(lab, "check", "--config", str(path))
    assert done.returncode == 2
    assert "/nonexistent/key" in done.stderr + done.stdout


def test_exit_codes(lab, tmp_path):
    assert vipgate(lab, "vips", "--socket", lab.nodes[0].socket).returncode == 0
    assert vipgate(lab, "nonsense").returncode == 2
    assert vipgate(lab, "vips", "--nonsense").returncode == 2
    assert vipgate(lab).returncode == 2
    for command in ("vips", "status", "peers", "stats"):
        assert vipgate(lab, command, "--socket", str(tmp_path / "none")).returncode == 3, command


def test_the_slides_manifest_gets_class_front_and_a_warning(lab):
    lab.services = [conftest.NGINX, conftest.SHOP]
    lab.write_objects(lab.objects() + "---\n" + SLIDE)
    def slide():
        found = [vip for vip in lab.nodes[0].vips().values() if
                 vip["services"] == ["default/slide"]]
        return found if len(found) == 3 else None
    vips = lab_module.wait_for("the slide's Service to have three VIPs", slide, 10)
    assert {vip["class"] for vip in vips} == {"front"}
    done = vipgate(lab, "check", "--config", lab.nodes[0].config)
    assert done.returncode == 0
    assert re.search(r"objects\.yaml:\d+:\d+: warning: .*loadBalancerClass", done.stdout +
                     done.stderr), done.stdout + done.stderr
    lab.write_objects()
    lab.wait_as_planned(20)


def test_a_bad_reload_keeps_the_last_good_state(lab):
    before = lab.owners()
    marks = {node.name: len(node.log_text()) for node in lab.nodes}
    lab.write_objects(lab.objects().replace('"192.0.2.100-', '"192.0.2.900-'))

    def complained():
        return all(re.search(r"objects\.yaml:\d+:\d+:", node.log_text()[marks[node.name]:])
                   for node in lab.nodes)
    lab_module.wait_for("every node to complain", complained, 5)
    assert lab.owners() == before
    for node in lab.nodes:
        status, metrics = node.http("/metrics")
        assert status == 200
        assert node.ask("status")["problems"], "a failed reload is a problem to be seen"
    lab.write_objects()
    lab_module.wait_for("the problem to be gone", lambda: not any(
        node.ask("status")["problems"] for node in lab.nodes), 5)
    assert lab.owners() == before


def test_sighup_reloads_and_a_bad_config_is_refused(lab):
    node = lab.nodes[0]
    before = lab.owners()
    good = node.config_text()
    mark = len(node.log_text())
    with open(node.config, "w", encoding="ascii") as out:
        out.write(good.replace("multiplier: 5", "multiplier: five"))
    node.daemon.send(signal.SIGHUP)
    lab_module.wait_for("the complaint", lambda: re.search(
        r"vipgate\.yaml:\d+:\d+:", node.log_text()[mark:]), 5)
    assert lab.owners() == before
    mark = len(node.log_text())
    with open(node.config, "w", encoding="ascii") as out:
        out.write(good.replace("memory: 64", "memory: 65"))
    node.daemon.send(signal.SIGHUP)
    lab_module.wait_for("the pending restart to be named", lambda: "dataplane.memory" in
                        str(node.ask("status")), 5)
    with open(node.config, "w", encoding="ascii") as out:
        out.write(good)
    node.daemon.send(signal.SIGHUP)
    lab_module.wait_for("nothing to be pending", lambda: "dataplane.memory" not in
                        str(node.ask("status")), 5)
    assert lab.owners() == before


def test_status_tells_of_a_vip_that_a_peer_allocated_by_another_file(lab):
    """Memories of nodes may differ: the one whose file lacks the VIP says so."""
    before = lab.owners()
    other = lab.nodes[1]
    good = other.config_text()
    objects = os.path.join(lab.directory, "objects.yaml")
    longer = os.path.join(lab.directory, "longer.yaml")
    with open(longer, "w", encoding="ascii") as out:
        out.write(lab.objects() + "\n---\n" + lab_module.Service(name="extra", count=1).manifest())
    try:
        with open(other.config, "w", encoding="ascii") as out:
            out.write(good.replace(objects, longer))
        other.daemon.send(signal.SIGHUP)
        lab_module.wait_for("the VIP that only one node knows to be told of", lambda: re.search(
            r"held by peers, \S+ by %s for one" % other.name,
            str(lab.nodes[0].ask("status")["problems"])), 30)
    finally:
        with open(other.config, "w", encoding="ascii") as out:
            out.write(good)
        other.daemon.send(signal.SIGHUP)
    lab_module.wait_for("the problem to be gone", lambda: "held by peers" not in
                        str(lab.nodes[0].ask("status")["problems"]), 10)
    assert lab.owners() == before
