#!/usr/bin/env python3
"""s3_server.py - a small S3-compatible server for tests, as strict about signatures as the real ones.

    s3_server.py --dir DIR [--port PORT] [--region us-east-1] [--key-id test-key] [--secret test-secret] [--bucket logs]
        [--seconds N]

Prints "PORT\\n" when it listens on 127.0.0.1 (PORT 0, the default: one that was free). It ends with its standard input,
or with --seconds N after so many.
It knows PUT, GET, HEAD and DELETE of objects in one bucket, which are files below DIR/BUCKET. Every request must carry
an AWS signature 4 in its headers that this key makes over this very request (method, path, query, signed headers, hash
of the body), must sign host, x-amz-date and x-amz-content-sha256, and must be younger than 15 minutes; the body must
have that hash. Everything else is refused with the code that S3 gives. DIR/fail, when it is there, holds a status that
every request gets instead (503). DIR/requests gets a line "METHOD PATH STATUS" per request.

The packages that offer such a server were no help: s3rver takes any signature of version 4 as good.
"""
import argparse
import datetime
import hashlib
import hmac
import os
import re
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MUST_SIGN = ("host", "x-amz-content-sha256", "x-amz-date")


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def sign(secret, date, region, text):
    key = ("AWS4" + secret).encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def canonical_query(query):
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    quoted = sorted((urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~")) for k, v in pairs)
    return "&".join(f"{k}={v}" for k, v in quoted)


def canonical_request(method, path, headers, names, payload):
    url = urllib.parse.urlsplit(path)
    lines = [method, url.path, canonical_query(url.query)]
    for name in names:
        values = headers.get_all(name)
        if values is None:
            raise Refused(403, "SignatureDoesNotMatch", f"the signed header {name} is not there")
        lines.append(name + ":" + ",".join(re.sub(" +", " ", v.strip()) for v in values))
    return "\n".join(lines + ["", ";".join(names), payload])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    settings = None
    lock = threading.Lock()

    def log_message(self, *args):
        pass

    def check_time(self, stamp, date):
        try:
            at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
        except ValueError:
            raise Refused(403, "AccessDenied", "x-amz-date is not a time") from None
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        if abs((now - at).total_seconds()) > 900 or stamp[:8] != date:
            raise Refused(403, "RequestTimeTooSkewed", "the request is too old or from the future")

    def check_signature(self):
        s = self.settings
        m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, *"
                         r"SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})", self.headers.get("Authorization", ""))
        if not m:
            raise Refused(403, "AccessDenied", "no signature of version 4")
        key_id, date, region, names, signature = m.groups()
        names = names.split(";")
        if key_id != s.key_id:
            raise Refused(403, "InvalidAccessKeyId", "no such key")
        if region != s.region:
            raise Refused(400, "AuthorizationHeaderMalformed", f"the region is {s.region}")
        if names != sorted(names) or any(n not in names for n in MUST_SIGN):
            raise Refused(403, "AccessDenied", "there were headers which were not signed")
        if any(n.lower().startswith("x-amz-") and n.lower() not in names for n in self.headers.keys()):
            raise Refused(403, "AccessDenied", "there were headers which were not signed")
        stamp = self.headers["x-amz-date"]
        self.check_time(stamp, date)
        payload = self.headers["x-amz-content-sha256"]
        request = canonical_request(self.command, self.path, self.headers, names, payload)
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, f"{date}/{region}/s3/aws4_request",
                          hashlib.sha256(request.encode()).hexdigest()])
        if not hmac.compare_digest(sign(s.secret, date, region, text), signature):
            raise Refused(403, "SignatureDoesNotMatch", "the signature is not the one that this key makes")
        return payload

    def file(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        parts = path.lstrip("/").split("/")
        if parts[0] != self.settings.bucket:
            raise Refused(404, "NoSuchBucket", "no such bucket")
        if len(parts) < 2 or any(p in ("", ".", "..") for p in parts):
            raise Refused(400, "InvalidRequest", "no key")
        return os.path.join(self.settings.dir, *parts)

    def body(self, path):
        """The request's body as a file beside `path`; its name and hash."""
        if "Content-Length" not in self.headers:
            raise Refused(411, "MissingContentLength", "a length is needed")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        made, left, digest = f"{path}.{threading.get_ident()}", int(self.headers["Content-Length"]), hashlib.sha256()
        with open(made, "wb") as f:
            while left > 0:
                data = self.rfile.read(min(left, 1 << 20))
                if not data:
                    raise Refused(400, "IncompleteBody", "the body is cut short")
                f.write(data)
                digest.update(data)
                left -= len(data)
        return made, digest.hexdigest()

    def put(self, path, payload):
        made, digest = self.body(path)
        if payload not in ("UNSIGNED-PAYLOAD", digest):
            os.unlink(made)
            raise Refused(400, "XAmzContentSHA256Mismatch", "the body does not have the hash that was signed")
        os.rename(made, path)
        return 200, None

    def get(self, path):
        try:
            return 200, open(path, "rb")
        except OSError:
            raise Refused(404, "NoSuchKey", "no such object") from None

    def delete(self, path):
        if os.path.exists(path):
            os.unlink(path)
        return 204, None

    def serve(self):
        fail = os.path.join(self.settings.dir, "fail")
        if os.path.exists(fail):
            with open(fail, encoding="ascii") as f:
                raise Refused(int(f.read()), "SlowDown", "told to fail")
        payload = self.check_signature()
        path = self.file()
        if self.command == "PUT":
            return self.put(path, payload)
        return self.delete(path) if self.command == "DELETE" else self.get(path)

    def answer(self):
        data, f = b"", None
        try:
            status, f = self.serve()
        except Refused as r:
            status = r.status
            data = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{r.code}</Code>'
                    f"<Message>{r.message}</Message></Error>").encode()
            self.close_connection = True   # whatever is left of the body
        with self.lock, open(os.path.join(self.settings.dir, "requests"), "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {status}\n")
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(os.fstat(f.fileno()).st_size if f else len(data)))
        self.end_headers()
        if f:
            with f:
                while self.command != "HEAD" and (block := f.read(1 << 20)):
                    self.wfile.write(block)
        elif self.command != "HEAD":
            self.wfile.write(data)

    do_PUT = do_GET = do_HEAD = do_DELETE = answer


def main():
    p = argparse.ArgumentParser()
    for name, default in (("dir", None), ("port", "0"), ("region", "us-east-1"), ("key-id", "test-key"),
                          ("secret", "test-secret"), ("bucket", "logs"), ("seconds", "0")):
        p.add_argument("--" + name, default=default, required=default is None)
    Handler.settings = p.parse_args()
    os.makedirs(os.path.join(Handler.settings.dir, Handler.settings.bucket), exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", int(Handler.settings.port)), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    if float(Handler.settings.seconds) > 0:
        threading.Event().wait(float(Handler.settings.seconds))
    else:
        sys.stdin.read()


if __name__ == "__main__":
    main()
