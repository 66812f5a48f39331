"""The rows of tests/bench/versus, its table of minima, and the verdict over pairs that were measured."""
import statistics

BUSY = 0.08  # cores that others may use while a pair that counts is measured
PAIRS = 3    # undisturbed pairs that a verdict needs

MODELS = ["0.5b", "1.2b"]
TYPES = ["Q4_0", "Q4_K_M", "Q8_0", "F16"]
# Mixtures of experts: 64 of which a token has 8, and 32 of which it has 4.
EXPERTS = [("moe-1b", "Q4_K_M"), ("oss-1b", "MXFP4")]
LOADS = {"idle": "idle", "busy": "one core busy", "8x": "8 requests at once", "lavapipe": "idle, both on Mesa's Vulkan driver of the peer's root"}
VULKAN = ("0.5b", "Q4_0", "lavapipe")  # neither side has the CPU's own kernels here, whatever --device says

# type, load: the least median ratio of ours to theirs, on the native device and for each size
MINIMA = {
    ("Q4_0", "idle"): {"tg": 1.2, "pp": 2.0},
    ("Q4_K_M", "idle"): {"tg": 1.2, "pp": 2.0},
    ("Q8_0", "idle"): {"tg": 1.1, "pp": 4.0},
    ("Q4_K_M", "busy"): {"tg": 2.0, "pp": 2.0},
    ("F16", "idle"): {"tg": 1.0, "pp": 1.0},
    ("Q4_K_M", "8x"): {"all": 1.5},
}
MINIMA_VULKAN = {"tg": 2.0, "pp": 2.0}
MINIMA_EXPERTS = {"tg": 1.0, "pp": 1.0}

# tokens of prompt and answer; of each of the requests at once
LENGTHS = {"idle": (512, 128), "busy": (512, 64), "8x": (128, 64), "lavapipe": (512, 8)}


def rows():
    """(model, type, load) in the order of the table."""
    return [(m, t, l) for m in MODELS for t in TYPES for l in LOADS if (t, l) in MINIMA] + [(m, t, "idle") for m, t in EXPERTS] + [VULKAN]


def minima(row):
    if tuple(row) == VULKAN:
        return MINIMA_VULKAN
    return MINIMA_EXPERTS if row[:2] in EXPERTS else MINIMA[row[1:]]


def name(row):
    return "/".join(row)


def disturbed(pair):
    return max(pair["before"], pair["during"]) > BUSY


class Verdict:
    """What the pairs of one row say. held, missed and unsure are names of tests."""

    def __init__(self, row, pairs, native):
        self.row, self.device = row, pairs[-1]["device"] if pairs else "?"
        self.pairs = [p for p in pairs if not disturbed(p)]
        self.n_disturbed = len(pairs) - len(self.pairs)
        self.held, self.missed, self.unsure = [], [], []
        for test, least in minima(row).items() if native or row == VULKAN else []:
            r = self.ratios(test)
            where = self.unsure if len(r) < PAIRS else self.held if statistics.median(r) >= least else self.missed
            where.append(test)

    def ratios(self, test):
        return sorted(p["rates"][test][0] / p["rates"][test][1] for p in self.pairs)

    def cell(self, test):
        r = self.ratios(test)
        if not r:
            return "-"
        a, b = (statistics.median(p["rates"][test][i] for p in self.pairs) for i in (0, 1))
        return "%.1f / %.1f = **%.2f** (%.2f to %.2f)" % (a, b, statistics.median(r), r[0], r[-1])

    def least(self, test):
        if test in self.unsure:
            return "%.1f cannot say" % minima(self.row)[test]
        for word, tests in ("holds", self.held), ("MISSED", self.missed):
            if test in tests:
                return "%.1f %s" % (minima(self.row)[test], word)
        return "-"

    def line(self):
        model, typ, load = self.row
        decode = "all" if load == "8x" else "tg"
        shares = [p["share"] for p in self.pairs if p.get("share")]
        share = "%.2f" % statistics.median(shares) if shares and load == "idle" else "-"
        prefill = ["-", "-"] if load == "8x" else [self.cell("pp"), self.least("pp")]
        cells = [model, typ, self.device, LOADS[load], self.cell(decode), self.least(decode), share, *prefill, "%d" % len(self.pairs)]
        return "| " + " | ".join(cells) + " |"


HEAD = ("| model | type | device | machine | decode, tok/s: Keep / llama.cpp = ratio | minimum | of a read loop | prefill 512: Keep / "
        "llama.cpp = ratio | minimum | pairs |")


def conclude(wanted, pairs, native):
    """Prints table and verdict over the pairs of the wanted rows; the exit status."""
    all_of = [Verdict(r, [p for p in pairs if tuple(p["row"]) == r], native) for r in wanted]
    print("\n%s\n|%s" % (HEAD, " --- |" * HEAD.count(" | ") + " --- |"))
    for v in all_of:
        if v.pairs:
            print(v.line())
    print()
    for word in "missed", "unsure":
        for v in all_of:
            for test in getattr(v, word):
                print("%s: %s %s" % ({"missed": "missed", "unsure": "cannot say"}[word], name(v.row), test))
    held, missed, unsure = (sum(len(getattr(v, w)) for v in all_of) for w in ("held", "missed", "unsure"))
    n, off = sum(len(v.pairs) for v in all_of), sum(v.n_disturbed for v in all_of)
    counts = "%d pairs; %d more did not count, others were at work" % (n, off)
    if held + missed + unsure == 0:
        print("versus: %d rows; there are no minima for this device; %s" % (sum(bool(v.pairs) for v in all_of), counts))
        return 0 if n else 3
    print("versus: of %d minima %d hold, %d are missed, %d cannot be told; %s" % (held + missed + unsure, held, missed, unsure, counts))
    return 1 if missed else 3 if unsure else 0
