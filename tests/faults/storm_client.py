#!/usr/bin/env python3
"""storm_client.py - many clients at once that submit tasks and repeat each call with its key until it is answered.

    storm_client.py URL COUNT PREFIX LEDGER >ANSWERS

COUNT submissions with keys PREFIX-1...: most have a key of their own, every tenth shares the key of the one before and
asks for the same, every 25th shares it and asks for another target, every 20th is built by the lab's real agents, which
append to LEDGER. Half of them start at once, the others within two seconds.

Standard output gets one line per submission: key, target, HTTP status, task id (or empty), times it was sent, and what
GET said of the task at once after the answer. The exit code is 1 when one of them is not answered within GIVE_UP_S.
"""
import asyncio
import json
import random
import sys
from urllib.parse import urlsplit

from storm_http import until_answered

GIVE_UP_S = 120
SPREAD_S = 2.0


def plan(count, prefix, ledger):
    """(key, body) of each submission."""
    made = []
    for i in range(1, count + 1):
        same, other = i % 10 == 0, i % 25 == 24
        number = i - 1 if same or other else i
        body = {"repo": "tiny", "target": "two" if other else "one", "project": "default" if number % 3 else "other",
                "labels": ["storm"]}
        if number % 20 == 1:
            body["labels"] = ["real"]
            body["env"] = {"LEDGER": ledger}
        made.append((f"{prefix}-{number}", body))
    return made


async def submit(at, key, body):
    if random.random() < 0.5:
        await asyncio.sleep(random.uniform(0, SPREAD_S))
    headers = ["Content-Type: application/json", f"Idempotency-Key: {key}"]
    status, answer, tries = await until_answered(at, "POST", "/v1/tasks", headers, json.dumps(body).encode())
    task = answer.get("id", "") if status < 300 else ""
    seen = ""
    if task and random.random() < 0.2:
        seen, _, _ = await until_answered(at, "GET", f"/v1/tasks/{task}", [], b"")
    print(key, body["target"], status, task, tries, seen, sep="\t", flush=True)


async def main():
    url, count, prefix, ledger = sys.argv[1:]
    at = urlsplit(url)
    calls = [submit(at, key, body) for key, body in plan(int(count), prefix, ledger)]
    try:
        await asyncio.wait_for(asyncio.gather(*calls), GIVE_UP_S)
    except asyncio.TimeoutError:
        print(f"storm_client: not all were answered within {GIVE_UP_S} s", file=sys.stderr)
        return 1
    return 0


sys.exit(asyncio.run(main()))
