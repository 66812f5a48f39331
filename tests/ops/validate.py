#!/usr/bin/python3
"""Every test whose programs may open a Vulkan device, under the validation layer (validated.sh), one after the other:

  tests/ops/validate.py core|sync|gpu BUILD [--root ROOT] [--only PATTERN ...] [--list] [--seconds N]

Such programs are those that are linked with the Vulkan loader; a test runs them as its command, by its environment, or depends on them. A line for each test says how many instances
the layer saw: none where a program lists devices of other kinds alone. --root: in a root of a newer Debian (chroot, as root; BUILD is shown inside), with its layer, its driver and
no script but those of /bin/sh. --only takes tests whose names fit a pattern of the shell. Devices are Mesa's on the CPU, unless VK_DRIVER_FILES says otherwise. By hand; an hour and more.

Exit status: 0 not a word from the layer, and every test passed that ran; 1 otherwise; 2 wrong words; 77 nothing could be run. The last line sums up."""
import argparse, fnmatch, glob, json, os, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
LOADER = "libvulkan.so.1"


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("kind", choices=["core", "sync", "gpu"])
    p.add_argument("build")
    p.add_argument("--root", default="")
    p.add_argument("--only", action="append", default=[], metavar="PATTERN")
    p.add_argument("--list", action="store_true")
    p.add_argument("--seconds", type=int, default=3600, help="that one test may take")
    o = p.parse_args()
    o.build = os.path.abspath(o.build)
    return o


def introspected(o, what):
    with open("%s/meson-info/intro-%s.json" % (o.build, what)) as f:
        return json.load(f)


linked = {}


def opens(path):
    """Is that a program that is linked with the loader? One that is not built is none."""
    if path not in linked:
        p = subprocess.run(["readelf", "-d", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        linked[path] = LOADER.encode() in p.stdout
    return linked[path]


def tests(o):
    """Those with such a program; what validates by itself is left out."""
    at = {t["id"]: f for t in introspected(o, "targets") if t["type"] == "executable" for f in t["filename"]}
    for t in introspected(o, "tests"):
        programs = {*t["cmd"], *t["env"].values(), *(at[d] for d in t["depends"] if d in at)}
        fits = not o.only or any(fnmatch.fnmatchcase(t["name"], q) for q in o.only)
        if fits and "valid" not in t["name"] and any(os.path.isfile(x) and opens(x) for x in programs):
            yield t


def in_root(o):
    """The words that run something where it is to run, with the build and the sources where they are here."""
    if not o.root:
        return []
    for d in ["/proc", "/dev", os.path.dirname(o.build), os.path.dirname(os.path.dirname(HERE))]:
        os.makedirs(o.root + d, exist_ok=True)
        if subprocess.run(["mountpoint", "-q", o.root + d]).returncode:
            subprocess.run(["mount", "--rbind", d, o.root + d], check=True)
    return ["chroot", o.root]


def run(o, t):
    """Exit status, what was said, seconds."""
    icd = [f[len(o.root):] for f in glob.glob(o.root + "/usr/share/vulkan/icd.d/lvp_icd*.json")]
    env = {"VK_DRIVER_FILES": ":".join(icd), "VK_ICD_FILENAMES": ":".join(icd), **os.environ, **t["env"], "MESA_SHADER_CACHE_DISABLE": "true",
           "LC_ALL": "C.UTF-8"}
    words = [*in_root(o), "sh", HERE + "/validated.sh", o.kind, *t["cmd"]]
    began = time.monotonic()
    p = subprocess.Popen(words, env=env, cwd=t["workdir"] or o.build, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         start_new_session=True)
    try:
        said, status = p.communicate(timeout=o.seconds)[0].decode(errors="replace"), p.returncode
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)  # with what it started
        status, said = 1, p.communicate()[0].decode(errors="replace") + "\nnot done after %d s" % o.seconds
    return status, said, time.monotonic() - began


def main():
    o = options()
    count = {"ok": 0, "skipped": 0, "BAD": 0}
    instances = 0
    for t in tests(o):
        if o.list:
            print(t["name"])
            continue
        status, said, seconds = run(o, t)
        result = {0: "ok", 77: "skipped"}.get(status, "BAD")
        seen = [l.rsplit(" ", 1)[1] for l in said.split("\n") if l.startswith("validated: ")]
        count[result] += 1
        instances += int(seen[-1]) if seen else 0
        print("%-7s %-28s instances: %4s  %5.0f s" % (result, t["name"], seen[-1] if seen else "-", seconds), flush=True)
        if result == "BAD":
            print("\n".join(said.split("\n")[-60:]), flush=True)
    if o.list:
        return 0
    print("validate: %s: %d ok, %d skipped, %d bad; %d instances" % (o.kind, *count.values(), instances))
    return 1 if count["BAD"] else 0 if count["ok"] else 77


if __name__ == "__main__":
    sys.exit(main())
