# SPDX-License-Identifier: BSD-3-Clause
"""Keys of heartbeats are rotated while everything runs."""

import os
import secrets
import signal
import time

import lab as lab_module


def write_keys(lab, *keys):
    """Replaces the key file in one step."""
    path = os.path.join(lab.directory, "heartbeat.key")
    with open(path + ".new", "w", encoding="ascii",
              opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        out.writelines(key + "\n" for key in keys)
    os.rename(path + ".new", path)


def reload(node):
    """SIGHUP, and waits until it was taken."""
    mark = len(node.log_text())
    node.daemon.send(signal.SIGHUP)
    lab_module.wait_for("the reload", lambda: "info source:" in node.log_text()[mark:], 5)


def test_keys_are_rotated_node_by_node_and_nothing_moves(lab):
    with open(os.path.join(lab.directory, "heartbeat.key"), encoding="ascii") as file:
        old = file.read().strip()
    new = secrets.token_hex(32)
    before = {a: (vip["owner"], vip["epoch"]) for a, vip in lab.nodes[0].vips().items()}
    # Everybody accepts the new one, then signs with it, then the old one goes.
    for keys in ((old, new), (new, old), (new,)):
        write_keys(lab, *keys)
        for node in lab.nodes:
            reload(node)
            end = time.monotonic() + 0.3        # longer than any silence that is borne
            while time.monotonic() < end:
                for viewer in lab.nodes:
                    assert before == {a: (vip["owner"], vip["epoch"])
                                      for a, vip in viewer.vips().items()}
    for node in lab.nodes:
        assert all(peer["paths"]["front"]["heard"] for peer in node.ask("peers")["peers"])
