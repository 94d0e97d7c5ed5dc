#!/usr/bin/env python3
"""dispatch_table.py - the records of dispatch.sh as rows (dispatch.tsv) and as a table of medians, ratios and goals.

usage: dispatch_table.py RECORDS.jsonl ROWS.tsv"""
import json
import statistics
import sys

COLUMNS = ["rep", "name", "jobs", "done", "jobs_per_s", "enq_per_s", "secs", "p50_us", "p99_us", "fsync", "rows", "wal", "commits",
           "cpu_client", "cpu_gateway", "cpu_scheduler", "cpu_postgres", "cpu_logsink"]
RATES = ["orion", "orion_steps", "beanstalkd_8", "beanstalkd_32", "gearmand_pg", "graphile", "pgboss", "pgboss_by_50", "three_commits", "sqlfloor_orion", "sqlfloor_lean"]
LATENCIES = ["orion_lat", "beanstalkd_lat", "gearmand_pg_lat", "graphile_lat", "pgboss_lat"]
# name of a goal, whose rate, how many times it
GOALS = [("1.5x beanstalkd", ["beanstalkd_8", "beanstalkd_32"], 1.5), ("10x graphile-worker", ["graphile"], 10),
         ("10x pg-boss", ["pgboss"], 10), ("above three commits per job", ["three_commits"], 1), ("sqlfloor, the scheduler's statements", ["sqlfloor_orion"], None),
         ("sqlfloor, the leanest", ["sqlfloor_lean"], None)]


def read(path):
    records = {}
    for line in open(path):
        r = json.loads(line)
        records.setdefault((r["rep"], r["name"]), {}).update(r)
    return list(records.values())


def values(records, name, key):
    return [float(r[key]) for r in records if r["name"] == name and key in r]


def median(records, name, key):
    v = values(records, name, key)
    return statistics.median(v) if v else None


def number(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.2f}"


def cell(records, name, key, scale=1.0):
    v = [x * scale for x in values(records, name, key)]
    return f"{number(statistics.median(v))} ({number(min(v))}-{number(max(v))})" if v else "-"


def table(title, head, lines):
    widths = [max(len(line[i]) for line in [head] + lines) for i in range(len(head))]
    print(f"\n{title}")
    for line in [head] + lines:
        print("  " + "  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip())


def print_rates(records):
    own = median(records, "orion", "jobs_per_s")
    lines = []
    for name in RATES:
        rate = median(records, name, "jobs_per_s")
        if rate:
            lines.append([name, cell(records, name, "jobs_per_s"), f"{own / rate:.2f}", cell(records, name, "fsync")])
    table("full cycle, tasks/s: median (least-most)", ["", "tasks/s", "orion / it", "fsync/s before"], lines)


def print_latencies(records):
    lines = [[n, cell(records, n, "p50_us", 1e-3), cell(records, n, "p99_us", 1e-3), cell(records, n, "fsync")]
             for n in LATENCIES if values(records, n, "p50_us")]
    table("from the submission to the holder of the job, 200/s, ms", ["", "p50", "p99", "fsync/s before"], lines)


def print_costs(records):
    names = ["orion", "orion_steps"]
    keys = ["rows", "wal", "commits", "cpu_client", "cpu_gateway", "cpu_scheduler", "cpu_postgres", "cpu_logsink"]
    table("Orion, per task: rows and WAL bytes written, commits; per 1,000 tasks: processor seconds", [""] + keys,
          [[n] + [f"{median(records, n, k):.3g}" if k != "wal" else f"{median(records, n, k):,.0f}" for k in keys]
           for n in names if values(records, n, "rows")])


def print_goals(records):
    own = median(records, "orion", "jobs_per_s")
    print()
    for goal, names, factor in GOALS:
        rates = [median(records, n, "jobs_per_s") for n in names if values(records, n, "jobs_per_s")]
        if rates and factor:
            verdict = "reached" if own >= factor * max(rates) else "missed"
            print(f"{goal}: {own / max(rates):.2f}x, {verdict}")
        elif rates:
            print(f"{goal}: {own / max(rates):.2f} of it")
    p50, p99, theirs = (median(records, n, k) for n, k in [("orion_lat", "p50_us"), ("orion_lat", "p99_us"), ("graphile_lat", "p50_us")])
    if theirs:
        print(f"p50 at most 0.4x graphile-worker's: {p50 / theirs:.2f}x, {'reached' if p50 <= 0.4 * theirs else 'missed'}")
    print(f"p99 at most 3 ms: {p99 / 1000:.2f} ms, {'reached' if p99 <= 3000 else 'missed'}")


def main():
    records = read(sys.argv[1])
    with open(sys.argv[2], "w") as out:
        print(*COLUMNS, sep="\t", file=out)
        for r in records:
            print(*(r.get(c, "") for c in COLUMNS), sep="\t", file=out)
    print_rates(records)
    print_latencies(records)
    print_costs(records)
    print_goals(records)


main()
