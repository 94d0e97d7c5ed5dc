#!/usr/bin/env python3
"""stalled_client.py URL COUNT GO - COUNT viewers of a log that do not read a byte until the file GO exists.

Prints `stalled` when all have asked and been let alone, then, when each has read its stream to the end, one line:
`whole N`, the number of those whose last event was the end and whose lines were `line 1`, `line 2`, ... without a gap."""
import os
import re
import socket
import sys
import time
from urllib.parse import urlparse

url, count, go = urlparse(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def ask():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect((url.hostname, url.port))
    s.sendall(f"GET {url.path} HTTP/1.1\r\nHost: {url.hostname}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n".encode())
    return s


def plain(chunked):
    """The body of a chunked answer."""
    out, at = [], chunked.index(b"\r\n\r\n") + 4
    while at < len(chunked):
        end = chunked.index(b"\r\n", at)
        size = int(chunked[at:end], 16)
        out.append(chunked[end + 2:end + 2 + size])
        at = end + 4 + size
        if size == 0:
            break
    return b"".join(out)


def is_whole(s):
    got = []
    s.settimeout(120)
    while piece := s.recv(1 << 20):
        got.append(piece)
    body = plain(b"".join(got))
    numbers = [int(n) for n in re.findall(rb"^data: line (\d+)", body, re.M)]
    return numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 0 and b"\nevent: end\n" in body


viewers = [ask() for _ in range(count)]
print("stalled", flush=True)
while not os.path.exists(go):
    time.sleep(0.1)
print("whole", sum(is_whole(s) for s in viewers), flush=True)
