#!/usr/bin/env python3
"""A small reverse proxy that writes down every request: what a client really sends, in the order in which it was answered.

Bodies stream through in both directions. One JSON line per request: `method`, `path` (as sent, without query), `query` (pairs),
`content_type`, `length`, `json` (the body, if it is JSON), `form` (the field names of a multipart body), `status` (0: the
server hung up), `ms`. Headers are not written down: they hold the token.

    recording_proxy.py --target http://127.0.0.1:8080 --log requests.jsonl     prints its own URL, runs until it is stopped
"""

import argparse
import contextlib
import http.client
import http.server
import json
import re
import sys
import threading
import time
import urllib.parse

CHUNK = 64 * 1024
REMEMBERED = 32 * 1024 * 1024  # of a body that is looked into; what is larger counts as a fault of the recording
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"}


class Handler(http.server.BaseHTTPRequestHandler):
    """Forwards one connection's requests, one after another."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def forward(self):
        """Sends the request on, the answer back, and a line to the log."""
        started, self.seen, self.length = time.monotonic(), bytearray(), 0
        status = 0
        try:
            status = self.exchange()
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # what the server cut short, the client must see cut short
        finally:
            self.server.record(self.entry(status, started))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = forward

    def exchange(self):
        upstream = http.client.HTTPConnection(*self.server.target, timeout=600)
        with contextlib.closing(upstream):
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            upstream.putheader("Host", f"{self.server.target[0]}:{self.server.target[1]}")
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    upstream.putheader(name, value)
            chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
            if chunked:
                upstream.putheader("Transfer-Encoding", "chunked")
            upstream.endheaders()
            for piece in self.chunks() if chunked else self.counted():
                self.remember(piece)
                upstream.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                upstream.send(b"0\r\n\r\n")
            return self.answer(upstream.getresponse())

    def remember(self, piece):
        self.length += len(piece)
        if len(self.seen) < REMEMBERED:
            self.seen += piece

    def counted(self):
        """The pieces of a body whose length is known."""
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(CHUNK, left))
            if not piece:
                raise ConnectionError("the client hung up")
            left -= len(piece)
            yield piece

    def chunks(self):
        """The pieces of a body in chunked coding (RFC 9112 §7.1)."""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def answer(self, response):
        """Passes an answer on as it comes."""
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        bodiless = self.command == "HEAD" or response.status in (204, 304)
        chunked = not bodiless and response.getheader("Content-Length") is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not bodiless and (piece := response.read1(CHUNK)):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if not bodiless and response.length:
            raise http.client.IncompleteRead(b"")
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        return response.status

    def entry(self, status, started):
        path, _, query = self.path.partition("?")
        kind = self.headers.get("Content-Type", "")
        return {
            "method": self.command,
            "path": path,
            "query": urllib.parse.parse_qsl(query, keep_blank_values=True),
            "content_type": kind.split(";")[0],
            "length": self.length,
            "json": self.json_body(kind),
            "form": self.form_fields() if kind.startswith("multipart/") else None,
            "status": status,
            "ms": round((time.monotonic() - started) * 1000, 1),
        }

    def json_body(self, kind):
        if not self.length or "json" not in kind:
            return None
        try:
            return json.loads(self.seen)
        except ValueError:
            return "unreadable"  # no route has a text as its body, so the check will name it

    def form_fields(self):
        names = re.findall(rb'Content-Disposition: form-data;[^\r\n]*?\bname="?([^";\r\n]+)', self.seen, re.IGNORECASE)
        return [name.decode("utf-8", "replace") for name in names]


class Server(http.server.ThreadingHTTPServer):
    """The listening side, with the log."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, target, log):
        parts = urllib.parse.urlsplit(target)
        self.target = (parts.hostname, parts.port or 80)
        self.log, self.lock = open(log, "w", encoding="utf-8"), threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    def record(self, entry):
        with self.lock:
            self.log.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self.log.flush()

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is a thing to record, not to report

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def recording(target, log):
    """Runs a proxy for the length of a `with` block; gives its URL."""
    server = Server(target, log)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        server.log.close()


def read_log(log):
    """The requests of a log."""
    with open(log, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def writes(requests):
    """Those that could change a workspace: everything but reads and signing in."""
    return [one for one in requests if one["method"] not in ("GET", "HEAD", "OPTIONS") and not one["path"].startswith("/oidc/")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True)
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    with recording(options.target, options.log) as url:
        print(url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
