"""A local HTTP server that behaves as badly as it is told to, and remembers what it was asked for and what it gave."""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n"


@dataclass
class Answer:
    """How a request is answered; the defaults are those of a good server."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True  # whether Range is understood
    shift: int = 0  # added to the first byte of a 206
    delay: float = 0.0  # seconds before the first byte
    stop: int | None = None  # bytes of the body until the connection is closed
    stall: float = 0.0  # seconds of silence before that
    pace: float = 0.0  # seconds between blocks of 64 bytes
    length: bool = True  # whether Content-Length is sent
    etag: bool = True


@dataclass
class Request:
    """One request as it came, and the bytes of body that went out."""

    path: str
    range: str | None
    sent: int = 0


class BadServer(ThreadingHTTPServer):
    """answers[path] is an Answer, or a function of how many times the path was asked for before."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer | Callable[[int], Answer]] = {}
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.counting = threading.Lock()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def sent(self, path: str) -> int:
        """Bytes of bodies that went out under a path."""
        return sum(r.sent for r in self.requests if r.path == path)

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        """Nothing: pytest shows the requests that matter."""

    def do_GET(self) -> None:
        self.close_connection = True
        self.answer()

    def answer(self) -> None:
        server = self.server
        asked = sum(r.path == self.path for r in server.requests)
        request = Request(self.path, self.headers.get("Range"))
        server.requests.append(request)
        answer = server.answers.get(self.path, Answer(status=404))
        if callable(answer):
            answer = answer(asked)
        self.hesitate(answer.delay)
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        span = re.fullmatch(r"bytes=(\d+)-", request.range or "")
        if_range = self.headers.get("If-Range")
        start, status = 0, answer.status
        if status == 200 and span and answer.ranges and if_range in (None, etag):
            start, status = int(span[1]) + answer.shift, 206
            if start >= len(answer.body):
                status = 416
        body = answer.body[start:] if status in (200, 206) else b""
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(answer.body) - 1}/{len(answer.body)}")
        if answer.etag:
            self.send_header("ETag", etag)
        if answer.length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.send_body(answer, body if answer.stop is None else body[: max(answer.stop - start, 0)], request)

    def hesitate(self, seconds: float) -> None:
        """Wait before the first byte, and count how many are waiting."""
        server = self.server
        with server.counting:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        time.sleep(seconds)
        with server.counting:
            server.at_once -= 1

    def send_body(self, answer: Answer, body: bytes, request: Request) -> None:
        block = 64 if answer.pace else 1 << 16
        for i in range(0, len(body), block):
            self.wfile.write(body[i : i + block])
            request.sent += len(body[i : i + block])
            time.sleep(answer.pace)
        time.sleep(answer.stall)


@contextmanager
def serving() -> Iterator[BadServer]:
    """A server in a thread, closed at the end of the block."""
    server = BadServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
