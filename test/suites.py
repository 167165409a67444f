# SPDX-License-Identifier: BSD-3-Clause
"""The suites that test/run runs: one summary line each, and a last line with the sum. A suite that
fails prints the log of what failed. Standard library only."""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
CLANG = os.path.join(TOP, "build-clang")
SANITIZE = os.path.join(TOP, "build-sanitize")
FUZZ = os.path.join(TOP, "build-fuzz")
FUZZ_SECONDS = 5
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:halt_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


class Result:
    """What a suite came to."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.notes = []         # why something was skipped
        self.logs = []          # of what failed

    def add(self, other):
        """Takes in another's."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.notes += other.notes
        self.logs += other.logs
        return self


def shell(*argv, timeout=1800, env=None, cwd=TOP):
    """Runs a command; returns (exit status, all output)."""
    try:
        done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=timeout, check=False,
                              env={**os.environ, **env} if env else None)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
        if isinstance(output, bytes):
            output = output.decode(errors="replace")
        return 124, output + "\n%s: not done after %d s\n" % (" ".join(argv), timeout)


def one(status, log):
    """A suite of a single test."""
    result = Result(passed=int(status == 0), failed=int(status != 0))
    if status != 0:
        result.logs.append(log)
    return result


class BuildError(Exception):
    """A build that a suite needs failed; the text is its log."""


built = {}


def build(directory, *options, compiler="gcc"):
    """Sets up and builds a directory, once per run."""
    if directory in built:
        if not built[directory]:
            raise BuildError("the build in %s failed, see above" % directory)
        return
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        shutil.rmtree(directory, ignore_errors=True)
        status, log = shell("meson", "setup", "-Dwerror=true", *options, directory, TOP,
                            env={"CC": compiler})
    else:
        status, log = shell("meson", "configure", "-Dwerror=true", *options, directory)
    if status == 0:
        status, log = shell("ninja", "-C", directory)
    built[directory] = status == 0
    if status != 0:
        raise BuildError("\n".join(line for line in log.splitlines()
                                   if not re.match(r"\[\d+/\d+\] ", line)))


def build_gcc():
    """The build that users get, warnings being errors."""
    build(BUILD)


def build_sanitize():
    """With the address and undefined behaviour sanitizers."""
    build(SANITIZE, "-Db_sanitize=address,undefined", "-Db_lundef=false")


def meson_suite(directory, suite, env=None, multiplier=1):
    """`meson test --suite`. cmocka's tests are counted one by one, other programs as one each."""
    status, log = shell("meson", "test", "-C", directory, "--suite", suite, "--no-rebuild",
                        "--timeout-multiplier", str(multiplier), env=env)
    path = os.path.join(directory, "meson-logs", "testlog.json")
    result = Result()
    if "No suitable tests" in log or not os.path.exists(path):
        result.failed = 1
        result.logs.append("no tests found in suite %s\n%s" % (suite, log))
        return result
    with open(path, encoding="utf-8") as lines:
        for test in map(json.loads, lines):
            output = test.get("stdout", "") + test.get("stderr", "")
            counts = [sum(map(int, re.findall(r"\[ *%s *\] (\d+) test" % word, output)))
                      for word in ("PASSED", "FAILED", "SKIPPED")]
            if test["result"] == "OK":
                result.passed += counts[0] if sum(counts) else 1
                result.skipped += counts[2]
            elif test["result"] == "SKIP":
                result.skipped += 1
            else:
                result.passed += counts[0]
                result.failed += max(1, counts[1])
                result.skipped += counts[2]
                result.logs.append("%s: %s\n%s" % (test["name"], test["result"], output))
            if test["result"] == "SKIP" or counts[2]:
                result.notes.append("%s: %s" % (test["name"], output.strip()))
    os.unlink(path)
    if status != 0 and not result.failed:
        result.failed = 1
        result.logs.append(log)
    return result


def pytest_suite(directory, env=None):
    """pytest on a directory of test/."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        status, log = shell("/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p",
                            "no:cacheprovider", "--junitxml=" + report.name, directory, env=env)
        result = Result()
        try:
            suites = xml.etree.ElementTree.parse(report.name).getroot().iter("testsuite")
        except xml.etree.ElementTree.ParseError:
            suites = []
        for suite in suites:
            failed = int(suite.get("failures")) + int(suite.get("errors"))
            skipped = int(suite.get("skipped"))
            result.failed += failed
            result.skipped += skipped
            result.passed += max(0, int(suite.get("tests")) - failed - skipped)
    result.notes += re.findall(r"^SKIPPED .*$", log, re.M)
    if status != 0 and not result.failed:
        result.failed = 1
    if result.failed:
        result.logs.append(log)
    return result


# The suites, in order

def suite_format():
    """every C file is as clang-format leaves it"""
    _, listed = shell("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h")
    files = sorted(set(listed.split()))
    result = Result()
    for name in files or ["(no C files found)"]:
        if os.path.islink(os.path.join(TOP, name)):
            continue
        result.add(one(*shell("clang-format", "--dry-run", "-Werror", name)))
    return result


def suite_build():
    """gcc builds everything, warnings are errors"""
    build_gcc()
    return one(0, "")


def suite_clang():
    """so does clang"""
    build(CLANG, compiler="clang")
    return one(0, "")


def suite_purity():
    """packet/ and core/ call nothing but what is allowed"""
    build_gcc()
    return one(*shell(os.path.join(TOP, "test", "purity"), BUILD))


def suite_unit():
    """pure code, table-driven"""
    build_gcc()
    return meson_suite(BUILD, "unit")


def suite_sim():
    """the election under seeded faults"""
    build_gcc()
    return meson_suite(BUILD, "sim")


def suite_sanitize():
    """unit tests and simulator again, under address and undefined sanitizers"""
    build_sanitize()
    result = meson_suite(SANITIZE, "unit", SANITIZER_ENVIRONMENT, 4)
    return result.add(meson_suite(SANITIZE, "sim", SANITIZER_ENVIRONMENT, 8))


def suite_fuzz():
    """each parser on its corpus and what libFuzzer makes of it in a few seconds"""
    build(FUZZ, "-Dfuzz=true", "-Dtests=false", "-Db_lundef=false", compiler="clang")
    result = Result()
    targets = sorted(path for path in glob.glob(os.path.join(FUZZ, "test", "fuzz", "fuzz_*"))
                     if os.path.isfile(path) and os.access(path, os.X_OK))
    if not targets:
        return one(1, "no fuzz targets built in " + FUZZ)
    for target in targets:
        name = os.path.basename(target)
        corpus = os.path.join(TOP, "test", "fuzz", "corpus", name.removeprefix("fuzz_"))
        with tempfile.TemporaryDirectory() as scratch:
            if not os.path.isdir(corpus) or not os.listdir(corpus):
                result.add(one(1, "%s: no seeds in %s" % (name, corpus)))
                continue
            status, log = shell(target, "-max_total_time=%d" % FUZZ_SECONDS, "-print_final_stats=1",
                                "-artifact_prefix=%s/" % scratch, scratch, corpus,
                                env=SANITIZER_ENVIRONMENT, cwd=scratch)
            if status != 0:
                for path in glob.glob(scratch + "/*-*"):
                    with open(path, "rb") as found:
                        log += "\n%s: %s" % (os.path.basename(path), found.read(4096).hex())
            result.add(one(status, "%s\n%s" % (name, log)))
    return result


def suite_packet():
    """frames against the daemon: scapy and testpmd"""
    build_gcc()
    return pytest_suite("test/packet", {"VIPGATE_BUILD": BUILD})


def suite_e2e():
    """namespaces, nginx, three daemons, faults, every frame watched"""
    build_gcc()
    return pytest_suite("test/e2e", {"VIPGATE_BUILD": BUILD})


def suite_e2e_sanitize():
    """the same with sanitized daemons"""
    build_sanitize()
    return pytest_suite("test/e2e", {"VIPGATE_BUILD": SANITIZE, **SANITIZER_ENVIRONMENT})


def suite_demo():
    """the demo in short, its results within the limits that the README states"""
    build_gcc()
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        status, log = shell(os.path.join(TOP, "test", "demo"), "--short", "--json", out.name)
        if status != 0:
            return one(status, log)
        results = json.load(out)
    result = Result()
    limits = {"nginx killed": 400, "vipgate killed by SIGKILL": 150, "link down": 150}
    for fault in results["faults"]:
        wrong = []
        if fault["outage_ms"] > limits[fault["fault"]]:
            wrong.append("outage of %.0f ms, limit %d" % (fault["outage_ms"],
                                                          limits[fault["fault"]]))
        if fault["innocent_failed"]:
            wrong.append("%d requests to other VIPs failed" % fault["innocent_failed"])
        if not 0.1 < fault["share"] < 0.6:
            wrong.append("%.0f %% of the requests failed, a third expected" % (
                100 * fault["share"]))
        result.add(one(int(bool(wrong)), "%s: %s\n%s" % (fault["fault"], "; ".join(wrong), log)))
    return result


SUITES = {name.removeprefix("suite_").replace("_", "-"): function
          for name, function in list(globals().items()) if name.startswith("suite_")}


def main():
    """Entry point."""
    parser = argparse.ArgumentParser(prog="test/run", formatter_class=argparse.RawTextHelpFormatter,
                                     description="Runs all suites, or those named:\n" + "\n".join(
                                         "  %-13s %s" % (n, f.__doc__) for n, f in SUITES.items()))
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    chosen = parser.parse_args().suites or list(SUITES)
    for name in chosen:
        if name not in SUITES:
            parser.error("no suite %s; there are: %s" % (name, " ".join(SUITES)))
    total = Result()
    for name in [name for name in SUITES if name in chosen]:
        begun = time.monotonic()
        try:
            result = SUITES[name]()
        except BuildError as error:
            result = one(1, str(error))
        for log in result.logs:
            print("---- %s failed\n%s\n----" % (name, log.rstrip()[-20000:]), flush=True)
        for note in result.notes:
            print("     %s skipped: %s" % (name, note.splitlines()[-1] if note else "?"))
        print("%-4s %-13s %4d passed, %d failed, %d skipped  %6.1f s" % (
            "ok" if not result.failed else "FAIL", name, result.passed, result.failed,
            result.skipped, time.monotonic() - begun), flush=True)
        total.add(result)
    print("%d passed, %d failed, %d skipped" % (total.passed, total.failed, total.skipped))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
