#!/usr/bin/env python3
"""Holds audit/COMPLIANCE.md and the threat model to the tree: rows are numbered from 1 without a gap, each names tests or says that it is the
site's duty, and every test that is named exists and stands in a meson.build, so that it is run."""
import glob, os, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMPLIANCE, THREATS = "audit/COMPLIANCE.md", "packaging/doc/threat-model.md"
ROWS = {COMPLIANCE: 25, THREATS: 20}  # of the matrix that the page answers


def listed(path):
    """Does the folder's meson.build name the test, or another one by its path?"""
    folder, name = os.path.split(path)
    stem = re.sub(r"^(test|fuzz)_((audit|attest|runtime|gateway)_)?", "", os.path.splitext(name)[0])
    meson = open(os.path.join(ROOT, folder, "meson.build")).read()
    others = [open(m).read() for m in glob.glob(os.path.join(ROOT, "tests", "*", "meson.build"))]
    return name in meson or re.search(rf"'{stem.replace('_', '[_-]')}'", meson) or any(os.path.basename(folder) + "/" + name in o for o in others)


def check(page, text):
    bad, numbers = [], []
    for line in text.split("\n"):
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not line.startswith("|") or not cells[0].isdigit():
            continue
        numbers.append(int(cells[0]))
        if len(cells) != 5 or not all(cells):
            bad.append(f"row {cells[0]}: {len(cells)} cells, not 5 that say something")
            continue
        tests = re.findall(r"`([^`]+)`", cells[4])
        if not tests and "*Site:*" not in cells[3]:
            bad.append(f"row {cells[0]}: neither a test nor the site's duty")
        for t in tests:
            if not os.path.isfile(os.path.join(ROOT, t)):
                bad.append(f"row {cells[0]}: {t} does not exist")
            elif not listed(t):
                bad.append(f"row {cells[0]}: {t} is in no meson.build")
        if page == COMPLIANCE and not re.search(r"\((P|S|U)\b", cells[1]):
            bad.append(f"row {cells[0]}: does not say how its rule was read")
    if numbers != list(range(1, ROWS[page] + 1)):
        bad.append(f"rows {numbers}, not 1 to {ROWS[page]}")
    return bad


def main():
    bad = []
    for page in ROWS:
        text = open(os.path.join(ROOT, page), encoding="utf-8").read()
        bad += [f"{page}: {why}" for why in check(page, text)]
        # the fence can fall
        for wrong in (text.replace(".sh`", "-nothing.sh`"), text.replace("| 7 |", "| 8 |"), re.sub(r"`tests/[^|]*\|", "|", text)):
            if not check(page, wrong):
                bad.append(f"{page}: a page that is wrong was not found")
    for line in bad:
        print(line)
    print(f"{sum(ROWS.values())} rows, {len(bad)} faults")
    return bool(bad)


sys.exit(main())
