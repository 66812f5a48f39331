#!/usr/bin/env python3
"""Holds audit/COMPLIANCE.md to the tree: its rows are numbered from 1 without a gap, each names tests or says that it is the site's duty,
and every test that is named exists and stands in a meson.build, so that it is run."""
import glob, os, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = 25  # of the matrix that the page answers


def listed(path):
    """Does the folder's meson.build name the test, or another one by its path?"""
    folder, name = os.path.split(path)
    stem = re.sub(r"^test_(audit_)?", "", os.path.splitext(name)[0])
    meson = open(os.path.join(ROOT, folder, "meson.build")).read()
    others = [open(m).read() for m in glob.glob(os.path.join(ROOT, "tests", "*", "meson.build"))]
    return name in meson or re.search(rf"'{re.escape(stem)}'", meson) or any(os.path.basename(folder) + "/" + name in o for o in others)


def check(text):
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
        if not re.search(r"\((P|S|U)\b", cells[1]):
            bad.append(f"row {cells[0]}: does not say how its rule was read")
    if numbers != list(range(1, ROWS + 1)):
        bad.append(f"rows {numbers}, not 1 to {ROWS}")
    return bad


def main():
    text = open(os.path.join(ROOT, "audit", "COMPLIANCE.md"), encoding="utf-8").read()
    bad = check(text)
    # the fence can fall
    for wrong in (text.replace("l05-review", "l05-nothing"), text.replace("| 7 |", "| 8 |"), re.sub(r"`tests/[^|]*\|", "|", text)):
        if not check(wrong):
            bad.append("a page that is wrong was not found")
    for line in bad:
        print(line)
    print(f"{ROWS} rows, {len(bad)} faults")
    return bool(bad)


sys.exit(main())
