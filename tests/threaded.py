#!/usr/bin/env python3
"""threaded.py BUILD TSAN [NAME]…: what ThreadSanitizer should see. Prints a line for each unit test of the build directory TSAN that can make a
thread, and for each test NAME: the test's name and, behind tabs, the programs that it needs.

Of a program with one thread it has nothing to say. Ours are linked from static libraries, of which only what is used comes in, so one that can
make a thread imports what makes it. That is looked up in BUILD, where everything is built: the test's own program, and those that it depends on
and may start. What drivers do among themselves is not instrumented."""
import json
import os
import subprocess
import sys

MAKES = ("pthread_create", "thrd_create")


def introspect(build, what):
    return json.loads(subprocess.run(["meson", "introspect", build, what], check=True, capture_output=True).stdout)


def imports_threads(program):
    out = subprocess.run(["nm", "-D", "--undefined-only", program], check=True, capture_output=True, text=True).stdout
    return any(line.split()[-1].split("@")[0] in MAKES for line in out.splitlines() if line.strip())


def programs_of(test, files, programs):
    """Those it is given, and what it waits for, as paths in its build directory."""
    given = {a for a in test["cmd"] if a in programs}
    return sorted(given | {f for d in test["depends"] for f in files.get(d, ()) if f in programs})


def main(build, tsan, *names):
    told = [t for t in introspect(tsan, "--targets") if t["type"] == "executable"]
    files = {t["id"]: t["filename"] for t in told}
    programs = {f for t in told for f in t["filename"]}
    can = {}
    found = 0
    tests = introspect(tsan, "--tests")
    unknown = set(names) - {t["name"] for t in tests}
    if unknown:
        sys.exit(f"{tsan}: no test is called {', '.join(sorted(unknown))}")
    for test in tests:
        here = [os.path.relpath(p, os.path.realpath(tsan)) for p in programs_of(test, files, programs)]
        wanted = test["name"] in names
        if not wanted and any(s.split(":")[-1] == "unit" for s in test["suite"]):
            for p in here:
                can[p] = can[p] if p in can else imports_threads(os.path.join(build, p))
            wanted = any(can[p] for p in here)
            found += wanted
        if wanted:
            print(test["name"], *here, sep="\t")
    if not found:
        sys.exit(f"{build}: no unit test makes a thread, which cannot be")


main(*sys.argv[1:])
