#!/usr/bin/env python3
"""embed.py IN OUT NAME [HEADER]: a file as a C array, with its length; HEADER declares both."""
import sys

data = open(sys.argv[1], "rb").read()
name = sys.argv[3]
header = sys.argv[4] if len(sys.argv) > 4 else "cli/evidence.h"
with open(sys.argv[2], "w") as out:
    out.write(f'#include "{header}"\n\nconst char {name}[] = {{\n')
    for at in range(0, len(data), 24):
        out.write("\t" + "".join(f"{b if b < 128 else b - 256}," for b in data[at:at + 24]) + "\n")
    out.write(f"}};\nconst size_t {name}_len = sizeof {name};\n")
