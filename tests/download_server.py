"""An HTTP server for the tests of downloads."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

BODY = b"one\ntwo\n" * 20_000  # more than one chunk
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Answer:
    status: int = 200
    body: bytes = BODY
    num_claimed: int | None = len(BODY)
    """Content-Length; None sends none."""


@dataclass
class Server:
    """Gives the answers in order and the last one again and again; keeps the paths that were asked for."""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    paths: list[str] = field(default_factory=list)


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port."""
    script = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.paths.append(self.path)
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(answer.status)
            if answer.num_claimed is not None:
                self.send_header("Content-Length", str(answer.num_claimed))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Handler) as httpd:
        script.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield script
        httpd.shutdown()
        thread.join()
