"""A proxy between a program and a store that does to chosen requests what networks and services do: cut, lose, delay, refuse, alter.

A plan is a function from a request to the name of a fault, or to nothing:

| fault | what happens |
|---|---|
| `refuse` | the connection is closed before anything is read |
| `cut` | half the body is read, then the connection is closed |
| `lose` | the request is done, and its answer is lost |
| `halve` | half of the answer's body is sent, then the connection is closed |
| `503` | the answer is 503, and nothing is done |
| `flip` | a bit of the request's body is not as it was sent |
| `flip-answer` | a bit of the answer's body is not as the store sent it |
| `("flip", at)`, `("flip-answer", at)` | the same, at this byte of the body |
| a function | is called, and then the request is done |
| bytes | are the answer, and nothing is done |
| `(status, bytes)` | the same, with this status |
"""

import contextlib
import http.client
import threading
import urllib.parse

import recording_proxy


class Request:
    """What a plan is asked about."""

    def __init__(self, handler, number):
        self.method, self.number = handler.command, number
        self.path, _, query = handler.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.length = int(handler.headers.get("Content-Length") or 0)

    @property
    def is_block(self):
        """A piece of an upload, to Azure or S3."""
        return self.method == "PUT" and (self.query.get("comp") == "block" or "partNumber" in self.query)

    @property
    def is_commit(self):
        """What makes an upload visible."""
        return (self.method == "PUT" and self.query.get("comp") == "blocklist") or (self.method == "POST" and "uploadId" in self.query)


class Handler(recording_proxy.Handler):
    def exchange(self):
        request = self.server.numbered(self)
        fault = self.server.plan(request)
        if callable(fault):
            fault()
            fault = None
        self.at = None
        code = 200
        if isinstance(fault, tuple):
            fault, self.at = fault
            if isinstance(fault, int):
                code, fault, self.at = fault, self.at, None
        self.fault = fault
        if fault == "refuse":
            raise ConnectionError("as planned")
        if fault == "cut":
            self.rfile.read(request.length // 2)
            raise ConnectionError("as planned")
        if fault == "503" or isinstance(fault, bytes):
            status, body = (503, b"") if fault == "503" else (code, fault)
            for _ in self.counted():
                pass
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)
            return status
        return super().exchange()

    def counted(self):
        start = 0
        for piece in super().counted():
            here = len(piece) // 2 if self.at is None and start == 0 else (self.at or 0) - start
            yield flipped(piece, here) if self.fault == "flip" else piece
            start += len(piece)

    def answer(self, response):
        if self.fault == "lose":
            response.read()
            raise ConnectionError("as planned")
        self.server.sent += 0 if self.command == "HEAD" else int(response.getheader("Content-Length") or 0)
        if self.fault in ("halve", "flip-answer") and self.command != "HEAD":
            return self.spoil(response)
        return super().answer(response)

    def spoil(self, response):
        body = response.read()
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in recording_proxy.HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(flipped(body, len(body) // 2 if self.at is None else self.at) if self.fault == "flip-answer" else body[: len(body) // 2])
        self.wfile.flush()
        if self.fault == "halve":
            raise ConnectionError("as planned")
        return response.status


def flipped(data, at):
    """With a bit turned at this byte, if it has one there."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if 0 <= at < len(data) else data


class Server(recording_proxy.Server):
    def __init__(self, target, log, plan):
        super().__init__(target, log)
        self.RequestHandlerClass = Handler
        self.plan, self.seen = plan, 0
        self.sent = 0  # bytes of bodies that were answered, for those who send one request after the other

    def numbered(self, handler):
        with self.lock:
            self.seen += 1
            return Request(handler, self.seen)


@contextlib.contextmanager
def faulty(target, log, plan=lambda _: None):
    """Runs a proxy for the length of a `with` block; gives the server, whose plan may be changed."""
    server = Server(target, log, plan)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.log.close()
