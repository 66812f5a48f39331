#!/usr/bin/env python3
"""Holds the star: which folder may include what. And the tree: its top level, no path or host of anybody's machine in it."""
import os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BASE, STAR = {"base/"}, {"base/", "proto.h"}
MAY = {  # folder: what a quoted include in it may begin with; tests and packaging may include anything
    "appliance/base": BASE,
    "appliance/proto.h": BASE | {"proto/"},
    "appliance/proto": BASE | {"proto/"},
    "attest": STAR | {"attest/"},
    "audit": STAR | {"audit/"},
    "shaders": BASE | {"shaders/"},
    "runtime": STAR | {"shaders/", "runtime/"},
    "appliance/chat": BASE | {"chat/"},
    "appliance/gateway": STAR | {"chat/", "gateway/"},
    "appliance/gateway/console": STAR | {"gateway/", "audit/tlog/"},
    "appliance/console": STAR | {"chat/", "gateway/", "console/"},
    "appliance/cli": STAR | {"chat/", "cli/", "attest/", "audit/tlog/"},
}
TOP = {"meson.build", "meson_options.txt", "README.md", "LICENSE", "appliance", "runtime", "shaders", "attest", "audit",
       "packaging", "tests"}
NEVER_SYSTEM = {"netdb.h", "resolv.h", "arpa/nameser.h", "curl/curl.h", "netinet/in.h", "arpa/inet.h", "openssl/http.h"}
MACHINE = re.compile(r"(?<![\w.$}/-])/(work|home|root|Users)/\w|\b(pypi|npmjs|crates|huggingface|deb\.debian)\.(org|com|io|co)\b")


def files():
    try:
        out = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"], check=True, capture_output=True)
        return sorted(f for f in out.stdout.decode().split("\0") if f and os.path.isfile(os.path.join(ROOT, f)))
    except (OSError, subprocess.CalledProcessError):
        return sorted(os.path.relpath(os.path.join(d, f), ROOT) for d, _, fs in os.walk(ROOT) for f in fs
                      if not os.path.relpath(d, ROOT).startswith((".git", "build")))


def layer(path):
    return max((f for f in MAY if path == f or path.startswith(f + "/")), key=len, default=None)


def includes(path, text, bad):
    folder = layer(path)
    if not folder or not path.endswith((".c", ".h", ".comp", ".glsl", ".in")):
        return
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*(["<])([^">]+)', line)
        if not m:
            continue
        name = m[2].removeprefix("appliance/")
        if m[1] == "<":
            if name in NEVER_SYSTEM:
                bad.append(f"{path}:{n}: includes <{name}>: no program of ours speaks to a network")
        elif os.path.exists(os.path.join(ROOT, os.path.dirname(path), name)) or "/" not in name and name != "proto.h":
            pass  # a neighbour, or something generated beside it
        elif not any(name == p or p.endswith("/") and name.startswith(p) for p in MAY[folder]):
            bad.append(f"{path}:{n}: {folder} may not include {name}")


def main():
    bad, all_files = [], files()
    for path in all_files:
        top = path.split("/")[0]
        if not top.startswith(".") and top not in TOP:
            bad.append(f"{top}: not agreed for the top level")
        with open(os.path.join(ROOT, path), "rb") as f:
            data = f.read()
        if b"\0" in data or path == "tests/layers.py":
            continue
        text = data.decode("utf-8", "replace")
        includes(path, text, bad)
        for n, line in enumerate(text.split("\n"), 1):
            if MACHINE.search(line):
                bad.append(f"{path}:{n}: names somebody's machine: {line.strip()[:100]}")
    for line in sorted(set(bad)):
        print(line)
    print(f"{len(all_files)} files, {len(set(bad))} faults")
    return bool(bad)


sys.exit(main())
