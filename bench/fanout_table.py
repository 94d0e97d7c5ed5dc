#!/usr/bin/env python3
"""fanout_table.py RAW TSV REVISION - the records of bench/fanout.sh as a table: medians, least and most, and ratios.

Appends one row per record to the TSV."""
import json
import os
import statistics
import sys

raw, tsv, revision = sys.argv[1:4]
records = [json.loads(line) for line in open(raw)]
FIELDS = ["delivered_per_s", "server_cpu_per_M", "p50_us", "p99_us", "rss_per_conn_b"]

fresh = not os.path.exists(tsv)
with open(tsv, "a") as out:
    if fresh:
        out.write("\t".join(["revision", "rep", "server", "name", "delivered", "expected"] + FIELDS) + "\n")
    for r in records:
        out.write("\t".join([revision] + [str(r.get(k, "")) for k in ["rep", "server", "name", "delivered", "expected"] + FIELDS]) + "\n")

groups = {}
for r in records:
    groups.setdefault((r["name"], r["server"]), []).append(r)


def cell(rows, key, scale=1):
    v = [r[key] / scale for r in rows if key in r]
    return f"{statistics.median(v):.4g} ({min(v):.4g}-{max(v):.4g})" if v else "-"


print(f"{'run':20} {'server':10} {'lines/s':>30} {'cpu s/M lines':>24} {'p50 ms':>22} {'p99 ms':>22} {'bytes':>22} complete")
for name in dict.fromkeys(r["name"] for r in records):
    for server in ("orion", "nchan", "bettersse"):
        rows = groups.get((name, server))
        if not rows:
            continue
        full = sum(r.get("delivered") == r.get("expected") for r in rows)
        print(f"{name:20} {server:10} {cell(rows, 'delivered_per_s'):>30} {cell(rows, 'server_cpu_per_M'):>24} "
              f"{cell(rows, 'p50_us', 1000):>22} {cell(rows, 'p99_us', 1000):>22} {cell(rows, 'rss_per_conn_b'):>22} {full}/{len(rows)}")


def median(name, server, key):
    return statistics.median(r[key] for r in groups[(name, server)])


print("\nOrion beside nchan, medians of the same run:")
for name in dict.fromkeys(r["name"] for r in records):
    if (name, "orion") not in groups or (name, "nchan") not in groups:
        continue
    if "rss_per_conn_b" in groups[(name, "orion")][0]:
        print(f"  {name}: memory {100 * median(name, 'orion', 'rss_per_conn_b') / median(name, 'nchan', 'rss_per_conn_b'):.0f} %")
        continue
    cpu = median(name, "nchan", "server_cpu_per_M") / max(median(name, "orion", "server_cpu_per_M"), 1e-9)
    rate = median(name, "orion", "delivered_per_s") / median(name, "nchan", "delivered_per_s")
    print(f"  {name}: cpu 1/{cpu:.2f}, lines/s x{rate:.2f}")
