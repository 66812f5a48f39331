#!/usr/bin/env python3
"""embed.py IN OUT NAME: a file as a C array, with its length."""
import sys

data = open(sys.argv[1], "rb").read()
name = sys.argv[3]
with open(sys.argv[2], "w") as out:
    out.write(f'#include "cli/evidence.h"\n\nconst char {name}[] = {{\n')
    for at in range(0, len(data), 24):
        out.write("\t" + "".join(f"{b if b < 128 else b - 256}," for b in data[at:at + 24]) + "\n")
    out.write(f"}};\nconst size_t {name}_len = sizeof {name};\n")
