# SPDX-License-Identifier: BSD-3-Clause
"""Who was fenced lately waits longer before it takes VIPs back."""

import datetime
import re

import lab as lab_module


def logged_at(text, what):
    """The time of each line that says it, in seconds."""
    return [datetime.datetime.fromisoformat(stamp + "+00:00").timestamp() for stamp in
            re.findall(r"^(\S+)Z \S+ [^\n]*%s" % what, text, re.MULTILINE)]


def fence(node):
    """Pulls the cable and plugs it in again; returns how long after that the node was ACTIVE."""
    mark = len(node.log_text())

    def wait_for(what):
        return lab_module.wait_for(what, lambda: logged_at(node.log_text()[mark:], what), 20)[-1]
    node.link(False)
    wait_for("this node is STANDBY")
    node.link(True)
    up = wait_for("link of .* is up")
    return wait_for("this node is ACTIVE") - up


def test_each_fence_doubles_the_hold_of_the_same_run(lab):
    node = lab.nodes[1]
    assert node.stop() == 0
    node.forget()
    node.start()
    lab.wait_as_planned(60)
    # The scene's hold is half a second, and a fence doubles it.
    assert fence(node) >= 1
    assert fence(node) >= 2
