"""The verdict of tests/bench/versus over made-up pairs: what it prints last, and its exit status."""
import json, os, subprocess, sys, tempfile

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
import versus_table as table


def pairs(row, factor, n=3, during=0.0, **more):
    """n pairs of a row whose ratios are its minima times factor."""
    rates = {t: [10 * least * factor, 10.0] for t, least in table.minima(row).items()}
    pair = {"row": row, "native": True, "device": "d", "build": "b", "before": 0.0, "during": during, "share": 0.9, "rates": rates}
    return [dict(pair, **more) for _ in range(n)]


def all_rows(factor=1.01, **more):
    return [p for r in table.rows() for p in pairs(r, factor, **more)]


def verdict(given, *words):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        f.write("".join(json.dumps(p) + "\n" for p in given))
        f.flush()
        p = subprocess.run([here + "/versus", "--table", f.name, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return p.returncode, p.stdout


def expect(status, last, given, *words):
    got, said = verdict(given, *words)
    if got != status or last not in said.strip().split("\n")[-1]:
        sys.exit("wanted %d and \"%s\", got %d and:\n%s" % (status, last, got, said))
    return said


row, slow = ("0.5b", "Q4_0", "idle"), ("0.5b", "Q8_0", "idle")
rest = [p for p in all_rows() if tuple(p["row"]) != row]
n = sum(len(table.minima(r)) for r in table.rows())
assert n == 28 and len(table.rows()) == 15

said = expect(0, "of %d minima %d hold, 0 are missed, 0 cannot be told" % (n, n), all_rows(1.0))
assert said.count("\n| 0.5b |") == said.count("\n| 1.2b |") + 1 == 7, said
expect(1, "2 are missed", rest + pairs(row, 0.99))
expect(0, "0 are missed", rest + pairs(row, 0.5, 1) + pairs(row, 1.1, 3))  # the median counts
expect(3, "2 cannot be told", rest + pairs(row, 1.1, 2))
expect(3, "2 cannot be told", rest)  # never measured
expect(3, "1 more did not count", rest + pairs(row, 1.1, 2) + pairs(row, 1.1, 1, 0.09))
expect(0, "1 more did not count", rest + pairs(row, 1.1, 3) + pairs(row, 0.1, 1, 0.09))
expect(1, "2 are missed, 2 cannot be told", [p for p in rest if tuple(p["row"]) != slow] + pairs(row, 0.5))
expect(0, "of 2 minima 2 hold", pairs(row, 0.5) + pairs(slow, 1.1), "--only", "0.5b/Q8*")
expect(0, "28 hold", all_rows(0.1, build="older") + all_rows())  # another build's are left out
others = [p for p in all_rows(0.1, native=False) if tuple(p["row"]) != table.VULKAN]
expect(0, "there are no minima for this device", others, "--only", "*/idle", "--only", "*/busy", "--only", "*/8x")
expect(1, "of 2 minima 0 hold, 2 are missed", others + pairs(table.VULKAN, 0.9, native=False))  # which has its own device
expect(0, "of 2 minima 2 hold", pairs(row, 1.1, device="other") + pairs(table.VULKAN, 1.1), "--only", "*/lavapipe")
expect(2, "no row fits", all_rows(), "--only", "7b/*")
expect(2, "--rounds", all_rows(), "--rounds", "0")
expect(3, "no pairs", [])
