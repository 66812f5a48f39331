#!/usr/bin/env python3
"""vectors.py KEEP: `keep tlog` on our own cases (tests/vectors/tlog/make.py) and, where KEEP_SHARED points at them, on other people's.
Every case is one call, judged by exit status and output. Ends with 77 when only the public ones are missing."""
import base64, glob, hashlib, json, os, re, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KEEP = sys.argv[1]
work = tempfile.mkdtemp(prefix="keep-tlog.")
done, bad = 0, []


def keep(words, stdin=None):
    return subprocess.run([KEEP, "tlog", *words], input=stdin or b"", capture_output=True)


def judge(name, status, words, stdin=None, out=None):
    """One call; what it printed, or None when it was not as wanted."""
    global done
    done += 1
    r = keep(words, stdin)
    said = r.stdout.decode("utf-8", "replace")
    if r.returncode != status or out is not None and said.strip("\n").split("\n")[0] != out:
        bad.append(f"{name}: ended with {r.returncode} and {said[:80]!r}, not {status} {out or ''}: {' '.join(words)[:200]} {r.stderr.decode()[:200]}")
        return None
    return said


def own():
    folder = os.path.join(work, "own")
    os.mkdir(folder)
    subprocess.run([sys.executable, os.path.join(HERE, "..", "vectors", "tlog", "make.py"), folder], check=True, stdout=subprocess.DEVNULL)
    for n, line in enumerate(open(os.path.join(folder, "cases.tsv"), encoding="utf-8"), 1):
        status, out, *words = line.rstrip("\n").split("\t")
        stdin, args = None, []
        for w in words:
            w = w.replace("\\n", "\n").replace("\\t", "\t")
            if w.startswith("<"):
                stdin = open(os.path.join(folder, w[1:]), "rb").read()
            elif w.startswith("@"):
                args.append(os.path.join(folder, w[1:]))
            elif w.startswith("="):
                args.append(os.path.join(work, w[1:]))
            else:
                args.append(w)
        judge(f"own case {n}", int(status), args, stdin, None if out == "*" else out)


def merkle(base):
    def digest(text):  # some hold words where a hash belongs ("don't care"): those stand for their own digest
        data = base64.b64decode(text or "")
        return data.hex() if len(data) in (0, 32) else hashlib.sha256(data).hexdigest()

    for path in sorted(glob.glob(glob.escape(base) + "/merkle/testdata/*/**/*.json", recursive=True)):
        kind = path[len(base):].split("/")[3]
        if kind not in ("inclusion", "consistency"):
            continue
        v = json.load(open(path))
        proof = ",".join(digest(h) for h in v["proof"]) if v["proof"] else "-"
        if kind == "inclusion":
            words = [str(v["leafIdx"]), str(v["treeSize"]), digest(v["leafHash"]), digest(v["root"]), proof]
        else:
            words = [str(v["size1"]), str(v["size2"]), digest(v["root1"]), digest(v["root2"]), proof]
        judge(path[len(base):], 1 if v["wantErr"] else 0, [kind, *words])


def tsv(path):
    return [line.rstrip("\n").split("\t") for line in open(path, encoding="utf-8")]


def notes(base):
    for name, want, keys in (row + [""] * (3 - len(row)) for row in tsv(base + "/xmod-note/cases.tsv")):
        ok = want.startswith("ok")
        words = [x for k in keys.split() for x in ("--vkey", k)]
        judge(name, 0 if ok else 1, ["note-verify", *words, f"{base}/xmod-note/{name}"], None, want[3:] if ok else None)
    for kind, want, key in tsv(base + "/xmod-note/keys.tsv"):
        if kind == "vkey":
            judge(key, 0 if want == "ok" else 1, ["vkey", key])
    c2sp = base + "/c2sp-examples/"
    foo = open(c2sp + "signed-note-foo.vkey").read().strip()
    judge("signed-note-foo", 0, ["note-verify", "--vkey", foo, c2sp + "signed-note-foo.note"], None, "1")
    for name in ("signed-note-quasimodo", "checkpoint-sofa", "cosigned-sofa"):  # nobody has these keys
        judge(name, 1, ["note-verify", "--vkey", foo, f"{c2sp}{name}.note"])
    co = base + "/cosignature-examples/"
    for name, note in (("witness", "witness-rome"), ("witness2", "witness2-milan"), ("mirror", "mirror-rome")):
        key = json.load(open(f"{co}{name}.v0.json"))["verifier_keys"][0]
        judge(note, 0, ["checkpoint", "--vkey", key, f"{co}{note}.note"], None, "300")
        data = open(f"{co}{note}.note").read().replace("\n300\n", "\n301\n")
        open(work + "/changed.note", "w").write(data)
        judge(note + " changed", 1, ["checkpoint", "--vkey", key, work + "/changed.note"])


def tessera(base):
    keys = dict(line.split("\t", 1) if "\t" in line else line.rsplit(" ", 1) for line in open(base + "/tessera/keys.tsv").read().split("\n") if line.startswith("log vkey"))
    vkey = keys["log vkey"].strip()
    policy = work + "/tessera.policy"
    open(policy, "w").write(f"log {vkey}\nquorum none\n")
    log = work + "/tessera"
    source = base + "/tessera/testdata/log"
    for size in range(16):
        shutil.rmtree(log, ignore_errors=True)
        shutil.copytree(source, log, copy_function=shutil.copyfile)
        subprocess.run(["chmod", "-R", "u+w", log], check=True)
        shutil.copyfile(f"{source}/checkpoint.{size}", log + "/checkpoint")
        judge(f"tessera at {size}", 0, ["fsck", log, "--policy", policy])
        judge(f"tessera checkpoint {size}", 0, ["checkpoint", "--vkey", vkey, f"{source}/checkpoint.{size}"], None, str(size))
        if size:
            judge(f"tessera at {size} after {size - 1}", 0, ["fsck", log, "--policy", policy, "--older", f"{source}/checkpoint.{size - 1}"])
            judge(f"tessera {size - 1} after {size}", 1, ["fsck", log, "--policy", policy, "--older", f"{source}/checkpoint.15"]) if size < 15 else None
    # every byte of every file, flipped: found
    for path in sorted(glob.glob(log + "/checkpoint") + glob.glob(log + "/tile/**/1?", recursive=True)):
        data = open(path, "rb").read()
        for at in range(0, len(data), 7):
            open(path, "wb").write(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
            judge(f"{path[len(log):]} byte {at} flipped", 1, ["fsck", log, "--policy", policy])
        open(path, "wb").write(data + b"\0")
        judge(f"{path[len(log):]} with a byte behind it", 1, ["fsck", log, "--policy", policy])
        open(path, "wb").write(data)
    judge("tessera restored", 0, ["fsck", log, "--policy", policy])
    for name in ("tile/0/000.p/15", "tile/entries/000.p/15"):
        os.rename(f"{log}/{name}", work + "/away")
        judge("without " + name, 1, ["fsck", log, "--policy", policy])
        os.rename(work + "/away", f"{log}/{name}")
    for name in ("tile/0/000.p/016", "tile/0/0", "tile/0/x000/000", "tile/64/000", "tile/0/000.p/256", "tile/words"):
        os.makedirs(os.path.dirname(f"{log}/{name}"), exist_ok=True)
        open(f"{log}/{name}", "wb").write(bytes(32))
        judge("with " + name, 1, ["fsck", log, "--policy", policy])
        os.unlink(f"{log}/{name}")


def witness(base):
    logs = tsv(base + "/litewitness/logs.tsv")
    for name, origin, key in logs:
        m = re.search(r"[0-9a-f]{64}", key)
        if m:
            raw = b"\1" + bytes.fromhex(m[0])
            key = f"{origin}+{hashlib.sha256(origin.encode() + bytes([10]) + raw).hexdigest()[:8]}+{base64.b64encode(raw).decode()}"
        for req, status, want in tsv(f"{base}/litewitness/{name}.tsv"):
            if want == 'body contains "unknown log"':
                status = "404"  # as the format says now
            said = judge(req, 0, ["witness", "--state", f"{work}/{name}", "--vkey", key, "--name", "example.com/witness"],
                         open(f"{base}/litewitness/{req}", "rb").read(), status)
            body = re.search(r'"(.*)"', want)[1].encode().decode("unicode_escape").encode("latin-1").decode()
            if said is not None and status in ("200", "409") and body not in said:
                bad.append(f"{req}: {said!r} has no {body!r}")


try:
    own()
    mine, shared = done, os.environ.get("KEEP_SHARED")
    if shared:
        base = shared + "/vectors/tlog"
        for part in (merkle, notes, tessera, witness):
            part(base)
finally:
    subprocess.run(["rm", "-rf", work])
for line in bad[:40]:
    print(line)
print(f"{mine} cases of our own, {done - mine} public ones, {len(bad)} judged wrongly")
if not shared:
    print("KEEP_SHARED is not set: no public vectors")
sys.exit(1 if bad else 0 if shared else 77)
