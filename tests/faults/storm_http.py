"""storm_http.py - HTTP calls that are repeated unchanged until they are answered, for clients of a farm under blows.

A broken connection, an incomplete answer and any 5xx are no answer. Every try has a connection of its own.
"""
import asyncio
import json
import random

ANSWER_S = 20       # longer than the gateway's own deadline


class Unanswered(Exception):
    pass


async def call(at, method, path, headers, body):
    """One try: (status, decoded body)"""
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        head = [f"{method} {path} HTTP/1.1", f"Host: {at.netloc}", "Connection: close", f"Content-Length: {len(body)}"]
        writer.write("\r\n".join(head + headers + ["", ""]).encode() + body)
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    top, found, rest = answer.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    if not found or len(rest) != int(fields.get("content-length", -1)):
        raise Unanswered("incomplete answer")
    return int(lines[0].split()[1]), json.loads(rest) if rest else {}


async def until_answered(at, method, path, headers, body):
    """(status, decoded body, tries)"""
    tries = 0
    while True:
        tries += 1
        try:
            status, decoded = await asyncio.wait_for(call(at, method, path, headers, body), ANSWER_S)
            if status < 500:
                return status, decoded, tries
        except (OSError, Unanswered, asyncio.TimeoutError, ValueError):
            pass
        await asyncio.sleep(random.uniform(0.02, 0.2))
