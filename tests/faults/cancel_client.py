#!/usr/bin/env python3
"""cancel_client.py - submits builds and cancels each one at a random moment of its life, whatever happens to the farm.

    cancel_client.py URL COUNT MARKS >ANSWERS

The builds (tests/faults/0241-cancel-storm.t has the Makefile) run for up to LONGEST_S and leave marks in the folder
MARKS. One in ten ignores TERM, one in six waits for an earlier one. The moments: `soon` after the submission, at `any`
time, while it is `assigned` or just started, at about its `end`, `after` its end, and for some `never`.

Standard output gets a line per task: id, moment, HTTP status of the cancel, the state that its answer told. The exit
code is 1 when something is not answered, or a moment does not come, within GIVE_UP_S.
"""
import asyncio
import json
import random
import sys
from urllib.parse import urlsplit

from storm_http import until_answered

GIVE_UP_S = 150
LOOK_S = 0.2
LONGEST_S = 1.2
ANY_S = 20
ENDED = {"succeeded", "failed", "cancelled", "superseded", "timed_out", "lost"}
MOMENTS = ["soon", "any", "any", "assigned", "assigned", "end", "end", "after", "never"]
JSON = "Content-Type: application/json"


class Farm:
    """The states of all tasks, as one look after the other tells them."""

    def __init__(self, at):
        self.at = at
        self.states = {}
        self.news = asyncio.Condition()

    async def watch(self):
        while True:
            _, page, _ = await until_answered(self.at, "GET", "/v1/tasks?limit=500", [], b"")
            self.states = {task["id"]: task["state"] for task in page["tasks"]}
            async with self.news:
                self.news.notify_all()
            await asyncio.sleep(LOOK_S)

    async def until(self, task, states):
        async with self.news:
            await self.news.wait_for(lambda: self.states.get(task) in states)


async def moment_comes(farm, task, moment, duration):
    if moment == "soon":
        await asyncio.sleep(random.uniform(0, 0.1))
    elif moment == "any":
        await asyncio.sleep(random.uniform(0, ANY_S))
    elif moment == "assigned":
        await farm.until(task, ENDED | {"assigned", "running"})
        await asyncio.sleep(random.uniform(0, LOOK_S))
    elif moment == "end":
        await farm.until(task, ENDED | {"running"})
        await asyncio.sleep(max(0, duration + random.uniform(-0.3, 0.1)))
    else:
        await farm.until(task, ENDED)


async def life(farm, number, marks, before):
    """One task; `before` gets the ids of all, for those that wait for one."""
    duration = random.uniform(0, LONGEST_S)
    moment = random.choice(MOMENTS)
    body = {"repo": "marks", "project": random.choice(["default", "other"]),
            "target": "stubborn" if number % 10 == 0 else "build",
            "env": {"MARKS": marks, "DURATION": f"{duration:.2f}"}}
    if number % 6 == 0 and before:
        body["after"] = [random.choice(before)]
        body["after_condition"] = random.choice(["any", "finished", "succeeded"])
    _, made, _ = await until_answered(farm.at, "POST", "/v1/tasks", [JSON, f"Idempotency-Key: task-{number}"],
                                      json.dumps(body).encode())
    task = made["id"]
    before.append(task)
    await moment_comes(farm, task, moment, duration)
    status, told = "", ""
    if moment != "never":
        status, answer, _ = await until_answered(farm.at, "POST", f"/v1/tasks/{task}/cancel",
                                                 [JSON, f"Idempotency-Key: cancel-{number}"], b'{"reason":"storm"}')
        told = answer.get("state", "")
    print(task, moment, status, told, sep="\t", flush=True)


async def main():
    url, count, marks = sys.argv[1:]
    farm = Farm(urlsplit(url))
    watch = asyncio.create_task(farm.watch())
    before = []
    lives = [life(farm, number, marks, before) for number in range(1, int(count) + 1)]
    try:
        await asyncio.wait_for(asyncio.gather(*lives), GIVE_UP_S)
    except asyncio.TimeoutError:
        print(f"cancel_client: not done within {GIVE_UP_S} s; {list(farm.states.values()).count('queued')} are queued",
              file=sys.stderr)
        return 1
    finally:
        watch.cancel()
    return 0


sys.exit(asyncio.run(main()))
