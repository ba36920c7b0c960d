"""A web server on this machine that does what a test tells it to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler", bytes], None]
"""How a request is answered; gets the whole content of the file."""


class Handler(BaseHTTPRequestHandler):
    """Notes each request, and answers it as the site says."""

    server: Site

    def do_GET(self) -> None:
        site = self.server
        site.requests.append(dict(self.headers))
        answer = site.answers.popleft() if site.answers else site.otherwise
        answer(self, site.content)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def range_start(self) -> int:
        """Where the part that was asked for begins; 0 for the whole file."""
        asked = self.headers.get("Range", "bytes=0-")
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def send(self, status: int, body: bytes, **headers: str | None) -> None:
        """Send a response; a header is left out where it is None."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Site(ThreadingHTTPServer):
    """A server with one file.

    Attributes:
        content: of the file.
        answers: to the next requests, each used once.
        otherwise: the answer to all others.
        requests: the headers of each so far.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.answers: deque[Answer] = deque()
        self.otherwise: Answer = well
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/texts/text.txt"


@contextmanager
def serving(content: bytes) -> Iterator[Site]:
    """A site that answers while the block runs."""
    with Site(content) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


def well(handler: Handler, content: bytes) -> None:
    """Send what was asked for."""
    start = handler.range_start()
    if start >= len(content) > 0:
        handler.send(416, b"", Content_Range=f"bytes */{len(content)}")
    elif start:
        places = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.send(206, content[start:], Content_Range=places)
    else:
        handler.send(200, content)


def whole(handler: Handler, content: bytes) -> None:
    """Send the whole file, whatever was asked for."""
    handler.send(200, content)


def breaking_off(size: int, **headers: str | None) -> Answer:
    """Send some bytes of what was announced."""

    def answer(handler: Handler, content: bytes) -> None:
        start = handler.range_start()
        rest = content[start:]
        length = str(len(rest))
        more = {"Content_Range": f"bytes {start}-/{len(content)}"} if start else {}
        handler.send(206 if start else 200, rest[:size], Content_Length=length, **more, **headers)

    return answer


def announcing(length: int | None) -> Answer:
    """Send the whole file under a length that is not its own, or under none."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.send(200, content, Content_Length=None if length is None else str(length))

    return answer


def failing(status: int) -> Answer:
    """Send an error."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.send(status, b"sorry")

    return answer
