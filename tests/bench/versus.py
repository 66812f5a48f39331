"""What tests/bench/versus does once everything that it needs is there; see its head."""
import argparse, json, os, re, resource, shutil, statistics, subprocess, sys, tempfile, time

LAB, SHARED = os.environ["KEEP_LAB"], os.environ["KEEP_SHARED"]
DATA = LAB + "/data/versus"
BUSY = 0.08  # cores that others may use during a run that counts as undisturbed

# type, load of the machine, test: least median ratio of ours to theirs on the native device
MINIMA = {
    ("Q4_0", "idle", "tg"): 1.2, ("Q4_0", "idle", "pp"): 2.0,
    ("Q4_K_M", "idle", "tg"): 1.2, ("Q4_K_M", "idle", "pp"): 2.0,
    ("Q8_0", "idle", "tg"): 1.1, ("Q8_0", "idle", "pp"): 4.0,
    ("F16", "idle", "tg"): 1.0, ("F16", "idle", "pp"): 1.0,
    ("Q4_K_M", "1 core busy", "tg"): 2.0, ("Q4_K_M", "1 core busy", "pp"): 2.0,
    ("Q4_K_M", "idle", "8x"): 1.5,
}


class Failed(Exception):
    pass


def run(argv, env=None, timeout=900):
    """Standard output of a command; Failed with its last words."""
    try:
        p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed("not done after %d s" % timeout)
    if p.returncode:
        said = p.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise Failed("%s ended with %d: %s" % (os.path.basename(argv[0]), p.returncode, said))
    return p.stdout.decode()


def peer(*argv, timeout=900):
    return run([SHARED + "/tools/peer-root.sh", "run", LAB + "/sid-root", *argv], timeout=timeout)


# ---- what else the machine does ----

def clock():
    """Seconds of all CPUs in use, of our children, and of the wall."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    c = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK"), c.ru_utime + c.ru_stime, time.monotonic()


def foreign(a, b):
    """Cores that others used between two clocks."""
    return max(0.0, ((b[0] - a[0]) - (b[1] - a[1])) / (b[2] - a[2]))


def look():
    a = clock()
    time.sleep(0.5)
    return foreign(a, clock())


class Neighbour:
    """Another process that keeps one core busy."""

    def __init__(self, wanted):
        self.p = subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) if wanted else None

    def end(self):
        if self.p:
            self.p.kill()
            self.p.wait()


# ---- the two ----

class Ours:
    def __init__(self, o):
        self.keep = os.path.abspath(o.build) + "/appliance/cli/keep"
        self.root = tempfile.mkdtemp(prefix="app-", dir=DATA)
        self.env = dict(os.environ, KEEP_ROOT=self.root + "/app", KEEP_DEVICE=o.device, HOME=self.root)
        self.limit = o.limit
        self.device = "?"
        self.do("init")
        self.do("keygen", "--out", self.root + "/pub")
        self.do("trust", "add", "pub", "--key", self.root + "/pub.pub.pem")

    def do(self, *argv):
        return run([self.keep, *argv], self.env, self.limit)

    def take_in(self, path, name):
        sig = self.root + "/" + name + ".sig"
        self.do("sign", path, "--key", self.root + "/pub.key.pem", "--out", sig)
        self.do("import", path, "--bundle", sig, "--name", name)

    def forget(self, name):
        self.do("rm", name)

    def bench(self, name, prompt, generate, parallel):
        out = self.do("bench", name, "--prompt", str(prompt), "--generate", str(generate), "--parallel", parallel, "--repeat", "1",
                      "--kv", "f16", "--json")
        b = json.loads(out)
        self.device = b["device"]
        r = {t["test"]: t["median"] for t in b["tests"]}
        r["share"] = b["read"]["share"] if b["read"] else None
        return r

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


def single(o, ours, name, path):
    """One round of prompt and generation, each side: {test: (ours, theirs)} and the share of a read loop."""
    def mine():
        r = ours.bench(name, o.pp, o.tg, "")
        return {"pp": r["prompt"], "tg": r["generate"]}, r["share"]

    def their():
        out = peer(*o.peer, "llama-bench", "-m", path, "-p", str(o.pp), "-n", str(o.tg), "-r", "1", "-t", str(o.threads), "-o", "jsonl", *o.dev,
                   timeout=o.limit)
        r = {}
        for line in out.strip().split("\n"):
            d = json.loads(line)
            r["pp" if d["n_gen"] == 0 else "tg"] = d["avg_ts"]
        return r

    return mine, their


def batched(o, ours, name, path):
    def mine():
        r = ours.bench(name, o.npp, o.ntg, "8")
        return {"8x": r["at once"]}, None

    def their():
        ctx = 8 * (o.npp + o.ntg) + 256
        out = peer(*o.peer, "llama-batched-bench", "-m", path, "-npp", str(o.npp), "-ntg", str(o.ntg), "-npl", "8", "-t", str(o.threads),
                   "-c", str(ctx), "--output-format", "jsonl", *o.dev, timeout=o.limit)
        d = [json.loads(l) for l in out.split("\n") if l.startswith("{")][-1]
        return {"8x": d["speed"]}

    return mine, their


def label(o, test):
    return {"pp": "pp%d" % o.pp, "tg": "tg%d" % o.tg, "8x": "8 x (%d+%d)" % (o.npp, o.ntg)}[test]


class Table:
    HEAD = "| model | type | device | machine | test | Keep tok/s | llama.cpp tok/s | ratio | least .. greatest | minimum |"

    def __init__(self, o):
        self.o, self.rows, self.held, self.missed = o, [], 0, []

    def add(self, where, test, pairs):
        model, typ, load, device = where
        ratios = sorted(a / b for a, b in pairs)
        mid = statistics.median(ratios)
        least = MINIMA.get((typ, load, test)) if self.o.native else None
        verdict = "-" if least is None else "%.1f %s" % (least, "holds" if mid >= least else "MISSED")
        if least is not None and mid >= least:
            self.held += 1
        elif least is not None:
            self.missed.append("%s %s %s %s" % (model, typ, load, label(self.o, test)))
        row = "| %s | %s | %s | %s | %s | %.1f | %.1f | %.2f | %.2f .. %.2f | %s |" % (
            model, typ, device, load, label(self.o, test), statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs),
            mid, ratios[0], ratios[-1], verdict)
        self.rows.append(row)
        print(row, flush=True)

    def fail(self, where, tests, why):
        for test in tests:
            if self.o.native and (where[1], where[2], test) in MINIMA:
                self.missed.append("%s %s %s %s" % (*where[:3], label(self.o, test)))
        print("  %s %s, %s: %s" % (where[0], where[1], where[2], why), flush=True)


def pairs_of(o, ours, make, where, name, path, stats):
    """o.rounds rounds, who is first changes; {test: [(ours, theirs)]}."""
    mine, their = make(o, ours, name, path)
    got, shares = {}, []
    for i in range(o.rounds):
        before = look()
        n = Neighbour(where[2] != "idle")
        try:
            a = clock()
            if i % 2:
                b, (m, share) = their(), mine()
            else:
                (m, share), b = mine(), their()
        finally:
            n.end()
        during = foreign(a, clock())
        busy = before > BUSY or during > BUSY
        stats["pairs"] += 1
        stats["busy"] += busy
        stats["cores"].append(during)
        print("  %s %s, %s, pair %d: others used %.2f cores before and %.2f during it%s" % (
            where[0], where[1], where[2], i + 1, before, during, ": BUSY" if busy else ""), flush=True)
        for test in m:
            got.setdefault(test, []).append((m[test], b[test]))
        if share is not None:
            shares.append(share)
    if shares:
        print("  generation read %.2f of a read loop" % statistics.median(shares), flush=True)
    return got


def model_file(model, typ):
    """A random model of that type, made when it is not there."""
    f16 = "%s/llama-%s-F16.gguf" % (DATA, model)
    path = "%s/llama-%s-%s.gguf" % (DATA, model, typ)
    if not os.path.exists(f16):
        run(["/usr/bin/python3", SHARED + "/tools/make-random-gguf.py", "llama-" + model, f16 + ".part", "--dtype", "f16", "--seed", "1"])
        os.rename(f16 + ".part", f16)
    if not os.path.exists(path):
        peer("llama-quantize", f16, path + ".part", typ)
        os.rename(path + ".part", path)
    return path


def options():
    p = argparse.ArgumentParser(prog="versus")
    p.add_argument("--build", default="build")
    p.add_argument("--device", default="native")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--model", action="append", choices=["0.5b", "1.2b"])
    p.add_argument("--type", action="append", choices=["Q4_0", "Q4_K_M", "Q8_0", "F16"])
    p.add_argument("--rounds", type=int)
    o = p.parse_args()
    o.model = o.model or (["0.5b"] if o.quick else ["0.5b", "1.2b"])
    o.type = o.type or ["Q4_0", "Q4_K_M", "Q8_0", "F16"]
    o.rounds = max(1, o.rounds or (2 if o.quick else 5))
    o.pp, o.tg, o.npp, o.ntg = (128, 16, 32, 8) if o.quick else (512, 128, 128, 64)
    o.limit = 180 if o.quick else 900
    o.threads = len(os.sched_getaffinity(0))
    o.native = o.device == "native"
    # the peer's Vulkan backend passes over devices that are CPUs unless it is told which to take
    o.dev, o.peer = (["-dev", "none"], []) if o.native else ([], ["env", "GGML_VK_VISIBLE_DEVICES=0"])
    return o


def one(o, ours, table, stats, model, typ):
    path, name = model_file(model, typ), re.sub("[^a-z0-9.-]", "-", "%s-%s" % (model, typ.lower()))
    ours.take_in(path, name)
    plan = [(single, "idle", ["pp", "tg"])]
    if typ == "Q4_K_M":
        plan += [(batched, "idle", ["8x"]), (single, "1 core busy", ["pp", "tg"])]
    for make, load, tests in plan:
        where = (model, typ, load, ours.device)
        try:
            got = pairs_of(o, ours, make, where, name, path, stats)
            for test in tests:
                table.add((model, typ, load, ours.device), test, got[test])
        except Failed as e:
            table.fail(where, tests, e)
    ours.forget(name)


def main():
    o = options()
    os.makedirs(DATA, exist_ok=True)
    ours, table, stats = Ours(o), Table(o), {"pairs": 0, "busy": 0, "cores": []}
    print("llama.cpp with %d threads; load average %.1f %.1f %.1f; %d rounds%s" % (
        o.threads, *os.getloadavg(), o.rounds, ", quick: not a claim" if o.quick else ""))
    try:
        for model in o.model:
            for typ in o.type:
                one(o, ours, table, stats, model, typ)
    finally:
        ours.close()
    n = table.held + len(table.missed)
    print("\n%s\n|%s" % (Table.HEAD, " --- |" * 10))
    print("\n".join(table.rows))
    calm = "%d of %d pairs ran on a busy machine (others used %.2f cores, median)" % (
        stats["busy"], stats["pairs"], statistics.median(stats["cores"] or [0.0]))
    if not o.native:
        print("versus: %d rows; there are no minima for %s; %s" % (len(table.rows), o.device, calm))
        return 0 if table.rows else 1
    for m in table.missed:
        print("missed: " + m)
    print("versus: %d of %d minima hold; %s" % (table.held, n, calm))
    return 0 if n and not table.missed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError) as e:
        sys.exit("versus: %s" % e)
