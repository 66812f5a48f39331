"""What tests/bench/versus does once everything that it needs is there; see its head."""
import argparse, fnmatch, hashlib, json, os, re, resource, shutil, signal, subprocess, sys, time

import versus_table as table

LAB, SHARED = os.environ["KEEP_LAB"], os.environ.get("KEEP_SHARED", "")
DATA = LAB + "/data/versus"
TRIES_MORE = 2  # of a row, for pairs that were disturbed
SECONDS_MAX = 600  # of one command


class Failed(Exception):
    pass


def run(argv, env=None):
    """Standard output of a command; Failed with its last words."""
    try:
        p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise Failed("%s: not done after %d s" % (os.path.basename(argv[0]), SECONDS_MAX))
    if p.returncode:
        said = p.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise Failed("%s ended with %d: %s" % (os.path.basename(argv[0]), p.returncode, said))
    return p.stdout.decode()


def peer(*argv):
    return run([SHARED + "/tools/peer-root.sh", "run", LAB + "/sid-root", *argv])


# ---- what else the machine does ----

def stat_of(pid):
    with open("/proc/%s/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()


def living():
    """CPU seconds of our descendants that live, and of theirs that they have waited for."""
    parent, used = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            s = stat_of(pid)
        except OSError:
            continue
        parent[int(pid)], used[int(pid)] = int(s[1]), sum(int(x) for x in s[11:15])
    mine, ticks = {os.getpid()}, 0
    for _ in range(8):  # generations
        mine = {p for p, up in parent.items() if up in mine}
        ticks += sum(used[p] for p in mine)
    return ticks / os.sysconf("SC_CLK_TCK")


def clock():
    """Seconds of all CPUs in use, of those our own, and of the wall."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    me = resource.getrusage(resource.RUSAGE_SELF)
    ours = own.ru_utime + own.ru_stime + me.ru_utime + me.ru_stime + living()
    return (sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK"), ours, time.monotonic()


def foreign(a, b):
    """Cores that others used between two clocks."""
    return max(0.0, ((b[0] - a[0]) - (b[1] - a[1])) / (b[2] - a[2]))


def look():
    a = clock()
    time.sleep(0.5)
    return foreign(a, clock())


class Neighbour:
    """Another process that keeps one core busy."""

    def __enter__(self):
        self.p = subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"])

    def __exit__(self, *_):
        self.p.kill()
        self.p.wait()


class Nobody:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


# ---- the two ----

class Ours:
    """An appliance that stays for the next call, and `keep up` while this one lasts."""

    def __init__(self, o):
        self.keep = os.path.abspath(o.build) + "/appliance/cli/keep"
        self.root = DATA + "/app"
        self.env = dict(os.environ, KEEP_ROOT=self.root + "/keep", KEEP_DEVICE=o.device, HOME=self.root)
        with open(os.path.abspath(o.build) + "/runtime/keep-runtime", "rb") as f:
            self.build = hashlib.sha256(f.read()).hexdigest()[:12]
        self.up = self.names = None

    def do(self, *argv):
        return run([self.keep, *argv], self.env)

    def known(self):
        return [json.loads(l)["name"] for l in self.do("ls", "--json").split("\n") if l]

    def begin(self):
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)
        self.do("init")
        self.do("keygen", "--out", self.root + "/pub")
        self.do("trust", "add", "pub", "--key", self.root + "/pub.pub.pem")
        self.names = []

    def take_in(self, path, name):
        if self.names is None:
            try:
                self.names = self.known()
            except Failed:
                self.begin()
        if name not in self.names:
            sig = self.root + "/" + name + ".sig"
            self.do("sign", path, "--key", self.root + "/pub.key.pem", "--out", sig)
            self.do("import", path, "--bundle", sig, "--name", name)
            self.names.append(name)

    def start(self):
        self.log = open(self.root + "/up.log", "w+")
        self.up = subprocess.Popen([self.keep, "up"], env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        for _ in range(600):
            if ": ready" in open(self.root + "/up.log").read():
                return
            if self.up.poll() is not None:
                break
            time.sleep(0.1)
        raise Failed("keep up: " + open(self.root + "/up.log").read().strip().split("\n")[-1])

    def bench(self, name, prompt, generate, parallel):
        b = json.loads(self.do("bench", name, "--prompt", str(prompt), "--generate", str(generate), "--parallel", parallel, "--repeat", "1",
                               "--kv", "f16", "--json"))
        return {t["test"]: t["median"] for t in b["tests"]}, b["device"], b["read"]["share"] if b["read"] else None

    def stop(self):
        if self.up and self.up.poll() is None:
            self.up.send_signal(signal.SIGTERM)
            self.up.wait()


def ours_lavapipe(o, row, generate):
    """A prompt of 512 and generation behind it, in the peer's root, whose driver both sides have."""
    inside = "/tmp/keep-bench-model"
    shutil.copy(os.path.abspath(o.build) + "/tests/bench/kernels/bench_model", LAB + "/sid-root" + inside)
    said = peer(inside, row[1], row[0], "1", "llvmpipe", str(generate))
    pp, tg = re.search(r"prompt of 512: ([0-9.]+) tokens/s; generation behind it: ([0-9.]+)", said).groups()
    return {"pp": float(pp), "tg": float(tg)}, said.split(" on ", 1)[1].split("\n")[0], None


def theirs_lavapipe(o, path, prompt, generate):
    """Without cooperative matrix, with which it is slower on that driver."""
    r = {}
    for words in ["-p", str(prompt), "-n", "0"], ["-p", "0", "-n", str(generate), "-d", str(prompt)]:
        out = peer("env", "GGML_VK_VISIBLE_DEVICES=0", "GGML_VK_DISABLE_COOPMAT=1", "llama-bench", "-m", path, *words, "-r", "1", "-t", str(o.threads),
                   "-o", "jsonl")
        d = json.loads(out.strip().split("\n")[-1])
        r["pp" if d["n_gen"] == 0 else "tg"] = d["avg_ts"]
    return r


def theirs_single(o, path, prompt, generate):
    out = peer(*o.peer, "llama-bench", "-m", path, "-p", str(prompt), "-n", str(generate), "-r", "1", "-t", str(o.threads), "-o", "jsonl", *o.dev)
    r = {}
    for line in out.strip().split("\n"):
        d = json.loads(line)
        r["pp" if d["n_gen"] == 0 else "tg"] = d["avg_ts"]
    return r


def theirs_at_once(o, path, prompt, generate):
    out = peer(*o.peer, "llama-batched-bench", "-m", path, "-npp", str(prompt), "-ntg", str(generate), "-npl", "8", "-t", str(o.threads), "-c",
               str(8 * (prompt + generate) + 256), "--output-format", "jsonl", *o.dev)
    return {"all": [json.loads(l) for l in out.split("\n") if l.startswith("{")][-1]["speed"]}


def measure_pair(o, ours, row, i):
    """One pair, as it is kept."""
    model, typ, load = row
    prompt, generate = table.LENGTHS[load]
    at_once, path = load == "8x", model_file(model, typ)

    vulkan = row == table.VULKAN

    def mine():
        if vulkan:
            return ours_lavapipe(o, row, generate)
        got, device, share = ours.bench(store_name(row), prompt, generate, "8" if at_once else "")
        return ({"all": got["at once"]} if at_once else {"pp": got["prompt"], "tg": got["generate"]}), device, share

    def their():
        return (theirs_at_once if at_once else theirs_lavapipe if vulkan else theirs_single)(o, path, prompt, generate)

    before = look()
    with Neighbour() if load == "busy" else Nobody():
        a = clock()
        first = their() if i % 2 else None
        (m, device, share) = mine()
        t = first or their()
        b = clock()
    return {"row": row, "native": o.native, "device": device, "build": ours.build, "threads": o.threads, "time": int(time.time()),
            "before": round(before, 3), "during": round(foreign(a, b), 3), "seconds": round(b[2] - a[2], 1), "share": share,
            "rates": {k: [m[k], t[k]] for k in m}}


# ---- files ----

def store_name(row):
    return "%s-%s" % (row[0], row[1].lower().replace("_", "-"))


# what make-random-gguf.py is asked for
SOURCES = {"0.5b": ["llama-0.5b"], "1.2b": ["llama-1.2b"], "moe-1b": ["qwen3moe-1b"],
           "oss-1b": ["tiny-gpt-oss", "--vocab", "32000", "hidden=1024", "experts=32", "used=4", "effn=1024", "layers=8", "heads=16", "kv=4"]}
QUANTISED = {"MXFP4": "MXFP4_MOE"}  # as the peer calls it: experts of that type, the rest Q8_0


def model_file(model, typ):
    """A random model of that type, made when it is not there."""
    stem = "llama-" + model if model in table.MODELS else model
    f16, path = ("%s/%s-%s.gguf" % (DATA, stem, t) for t in ("F16", typ))
    if os.path.exists(path):
        return path
    if not os.path.exists(f16):
        name, *more = SOURCES[model]
        more = [w for x in more for w in (["--set", x] if "=" in x else [x])]
        run([sys.executable, SHARED + "/tools/make-random-gguf.py", name, f16 + ".part", "--dtype", "f16", "--seed", "1", *more])
        os.rename(f16 + ".part", f16)
    if not os.path.exists(path):
        peer("llama-quantize", f16, path + ".part", QUANTISED.get(typ, typ))
        os.rename(path + ".part", path)
    return path


def kept(path):
    """The pairs of a file that the latest build made."""
    with open(path) as f:
        pairs = [json.loads(l) for l in f if l.strip()]
    if not pairs:
        raise Failed("%s: no pairs" % path)
    device = {tuple(p["row"]) == table.VULKAN: p["device"] for p in pairs}  # the latest of each kind
    last = [p for p in pairs if p["build"] == pairs[-1]["build"] and p["device"] == device[tuple(p["row"]) == table.VULKAN]]
    if len(last) < len(pairs):
        print("%d pairs of %d are of another build or device and are left out" % (len(pairs) - len(last), len(pairs)))
    return last


# ---- the whole ----

def options():
    p = argparse.ArgumentParser(prog="versus")
    p.add_argument("--build", default="build")
    p.add_argument("--device", default="native")
    p.add_argument("--only", action="append", default=[], metavar="PATTERN")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--keep", metavar="FILE")
    p.add_argument("--table", metavar="FILE")
    p.add_argument("--list", action="store_true")
    p.add_argument("--prepare", action="store_true")
    o = p.parse_args()
    o.rows = [r for r in table.rows() if not o.only or any(fnmatch.fnmatchcase(table.name(r), q) for q in o.only)]
    if not o.rows:
        p.error("no row fits; --list tells them")
    if o.rounds < 1:
        p.error("--rounds: at least 1")
    o.threads = len(os.sched_getaffinity(0))
    o.native = o.device == "native"
    # the peer's Vulkan backend passes over devices that are CPUs unless it is told which to take
    o.dev, o.peer = (["-dev", "none"], []) if o.native else ([], ["env", "GGML_VK_VISIBLE_DEVICES=0"])
    return o


def say_pair(pair, i):
    rates = ", ".join("%s %.1f / %.1f = %.2f" % (t, a, b, a / b) for t, (a, b) in sorted(pair["rates"].items()))
    print("  %s, pair %d, %.0f s: %s; others used %.2f cores before, %.2f meanwhile%s" % (
        table.name(pair["row"]), i, pair["seconds"], rates, pair["before"], pair["during"],
        ": does not count" if table.disturbed(pair) else ""), flush=True)


def measure(o):
    os.makedirs(DATA, exist_ok=True)
    ours, pairs = Ours(o), []
    through_gate = [r for r in o.rows if r != table.VULKAN]
    for row in o.rows:
        path = model_file(*row[:2])
        if row in through_gate:
            ours.take_in(path, store_name(row))
    if o.prepare:
        return None
    print("llama.cpp with %d threads; load average %.1f %.1f %.1f; %d rounds" % (o.threads, *os.getloadavg(), o.rounds), flush=True)
    try:
        if through_gate:
            ours.start()
        for row in o.rows:
            good = tries = 0
            while good < o.rounds and tries < o.rounds + TRIES_MORE:
                tries += 1
                try:
                    pair = measure_pair(o, ours, row, tries)
                except Failed as e:
                    print("  %s: %s" % (table.name(row), e), flush=True)
                    break
                say_pair(pair, tries)
                good += not table.disturbed(pair)
                pairs.append(pair)
                if o.keep:
                    with open(o.keep, "a") as f:
                        f.write(json.dumps(pair) + "\n")
    finally:
        ours.stop()
    return pairs


def main():
    o = options()
    if o.list:
        print("\n".join(table.name(r) for r in o.rows))
        return 0
    pairs = kept(o.table) if o.table else measure(o)
    if pairs is None:
        print("versus: %d rows are prepared" % len(o.rows))
        return 0
    native = pairs[-1]["native"] if o.table else o.native
    return table.conclude(o.rows, pairs, native)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError) as e:
        print("versus: %s" % e, file=sys.stderr)
        sys.exit(3)
