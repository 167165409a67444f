# SPDX-License-Identifier: BSD-3-Clause
"""What the failover bench prints and draws of its results. Standard library only; the plot is
drawn by gnuplot."""

import math
import subprocess

import systems  # noqa: F401  (its path to lab.py)
from systems import lab_module

METRICS = (("outage_ms", "outage"), ("takeover_ms", "take-over"))
QUANTILES = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
# Where a kernel keeps answering for a dead or stopped daemon no client sees an outage.
DRAWN = {"sigkill": "takeover_ms", "sigstop": "takeover_ms"}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def ms(value):
    """Of a round."""
    return "never" if value is None else "%.1f ms" % value


def dash(value):
    """For what does not apply."""
    return "-" if value is None else str(value)


def quantile(values, share):
    """By nearest rank; None counts as longer than anything."""
    ordered = sorted(math.inf if value is None else value for value in values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def contestants(rows):
    """Names in the order of their turns."""
    return list(dict.fromkeys(row["system"] for row in rows))


def summary(results):
    """A row for each fault, metric and system, and the ratio of the quantiles of each other system to
    those of the first; None stands for never."""
    rows = results["rounds"]
    result = []
    for fault in dict.fromkeys(row["fault"] for row in rows):
        for metric, _ in METRICS:
            first = None
            for name in contestants(rows):
                mine = [row for row in rows if row["fault"] == fault and row["system"] == name]
                if not mine:
                    continue
                values = [row[metric] for row in mine]
                if metric == "takeover_ms" and fault == "partition":
                    continue            # nothing has to move
                entry = {"fault": fault, "metric": metric, "system": name, "rounds": len(mine),
                         "never": values.count(None)}
                for label, share in QUANTILES:
                    value = quantile(values, share)
                    entry[label] = None if math.isinf(value) else round(value, 1)
                entry["stale_answers"] = None if mine[0]["stale_answers"] is None else sum(
                    row["stale_answers"] or 0 for row in mine)
                entry["double_answers"] = sum(row["double_answers"] for row in mine)
                if first is None:
                    first = entry
                else:
                    entry["ratio"] = {label: round(entry[label] / first[label], 2)
                                      if entry[label] is not None and first[label] else None
                                      for label, _ in QUANTILES}
                result.append(entry)
    return result


def align(rows):
    """Columns as wide as they must be: the first three to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [("  ".join(cell.ljust(width) if column < 3 else cell.rjust(width)
                       for column, (cell, width) in enumerate(zip(row, widths)))).rstrip()
            for row in rows]


def table(results):
    """All of it as text."""
    lines = []
    if results["summary"]:
        rows = [["fault", "ms", "system", "rounds", *(label for label, _ in QUANTILES),
                 "stale", "double"]]
        for entry in results["summary"]:
            cells = ["never" if entry[label] is None else "%.1f" % entry[label]
                     for label, _ in QUANTILES]
            first = entry["metric"] == METRICS[0][0]
            rows.append([entry["fault"], dict(METRICS)[entry["metric"]], entry["system"],
                         str(entry["rounds"]), *cells,
                         dash(entry["stale_answers"]) if first else "",
                         str(entry["double_answers"]) if first else ""])
            if "ratio" in entry:
                rows.append(["", "", "  × the first", "", *(
                    "-" if entry["ratio"][label] is None else "%.2f" % entry["ratio"][label]
                    for label, _ in QUANTILES), "", ""])
        lines += align(rows)
        late = max(row["client_late_ms"] for row in results["rounds"])
        lines += ["", "stale: answers for the VIP from the node that had to be silent; double: "
                  "questions that two nodes answered.",
                  "The client itself was late by %.1f ms at worst. Rounds repeated since the VIP had "
                  "moved before the fault: %s." % (late, ", ".join(
                      "%s %d" % (name, sum(row["system"] == name for row in results["disturbed"]))
                      for name in contestants(results["rounds"])))]
    if results["hogs"]:
        rows = [["system", "", "", "hogs", "seconds", "take-overs", "per minute", "double",
                 "questions"]]
        for row in results["hogs"]:
            rows.append([row["system"], "", "", str(row["hogs"]), "%.0f" % row["seconds"],
                         str(row["takeovers"]), "%.1f" % (row["takeovers"] * 60 / row["seconds"]),
                         str(row["double_answers"]), str(row["questions"])])
        lines += [""] * bool(lines) + align(rows)
    what = results["machine"]
    lines += ["", "%s, %d cores, Linux %s; %s, %s, DPDK %s; load %.1f at the start, %.1f at the end"
              % (what["cpu"], what["cores"], what["kernel"], what["vipgate"], what["keepalived"],
                 what["dpdk"], what["load"][0], what["load_at_end"][0]), what["priority"]]
    return "\n".join(lines)


def plot(results, path):
    """For each fault the share of rounds that were over after so many ms, as a PNG."""
    rows = results["rounds"]
    faults = [fault for fault in dict.fromkeys(row["fault"] for row in rows)
              if fault != "partition"]
    if not faults:
        return
    columns = min(2, len(faults))
    lines = math.ceil(len(faults) / columns)
    script = ["set terminal pngcairo size %d,%d font 'sans,10'" % (480 * columns, 60 + 300 * lines),
              "set output '%s'" % path.replace("'", "''"),
              "set multiplot layout %d,%d title 'vipgate beside keepalived: share of rounds over "
              "after so many ms'" % (lines, columns),
              "set grid lt 1 lc rgb '#dddddd'", "set key below horizontal", "set yrange [0:1.02]",
              "set border 3", "set tics nomirror", "set ytics 0.25"]
    for fault in faults:
        metric = DRAWN.get(fault, "outage_ms")
        curves, data = [], []
        for number, name in enumerate(contestants(rows)):
            values = sorted(row[metric] for row in rows if row["fault"] == fault and
                            row["system"] == name and row[metric] is not None)
            total = sum(1 for row in rows if row["fault"] == fault and row["system"] == name)
            if not values:
                continue
            label = "$d%d" % number
            data += [label + " << EOD", "0 0"]
            data += ["%.3f %.4f" % (value, (i + 1) / total) for i, value in enumerate(values)]
            data += ["EOD"]
            curves.append("%s using 1:2 with steps lw 2 lc rgb '%s' title '%s'" % (
                label, COLOURS[number % len(COLOURS)], name))
        if curves:
            script += [*data, "set title '%s: %s'" % (fault, dict(METRICS)[metric]),
                       "set xlabel 'ms'", "set xrange [0:*]", "plot " + ", ".join(curves)]
        else:
            script += ["set multiplot next"]
    script += ["unset multiplot"]
    done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise lab_module.LabError("gnuplot: " + done.stderr.strip())
