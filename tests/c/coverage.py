# SPDX-License-Identifier: Apache-2.0
"""coverage.py SUMMARY LEAST: a table of gcovr's JSON summary, a row for each
layer of libopamp/src; fails when less than LEAST percent of all lines ran."""
import collections
import json
import sys

LAYERS = "base wire core transport runtime".split()


def main(path, least):
    layers = {name: collections.Counter() for name in (*LAYERS, "all")}
    with open(path, encoding="utf-8") as f:
        files = json.load(f)["files"]
    for file in files:
        counts = {key: value for key, value in file.items()
                  if key.startswith(("line_", "branch_"))
                  and not key.endswith("_percent")}
        for name in (file["filename"].split("/")[2], "all"):
            layers[name].update(counts)
    print("| layer | lines | run | branches | taken |")
    print("|---|---|---|---|---|")
    for name, n in layers.items():
        row = [name]
        for what in ("line", "branch"):
            share = 100 * n[f"{what}_covered"] / n[f"{what}_total"]
            row += [f"{n[f'{what}_total']:,}", f"{share:.1f} %"]
        print("| " + " | ".join(row) + " |")
    share = 100 * n["line_covered"] / n["line_total"]
    if share < float(least):
        sys.exit(f"{share:.1f} % of all lines ran, and it has to be {least}")


if __name__ == "__main__":
    main(*sys.argv[1:])
