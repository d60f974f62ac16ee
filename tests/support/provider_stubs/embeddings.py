"""Google's embeddings, as the Gemini API and as Vertex AI answer: each vector tells the length of its text.

Source: https://ai.google.dev/api/embeddings, https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_STATUSES = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


@dataclass
class EmbeddingStub:
    """What a stub was asked, and how it is to answer.

    Args:
        received: path and body of each request.
        statuses: of the coming answers; 200 when there are none left.
    """

    base_url: str = ""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    statuses: list[int] = field(default_factory=list[int])

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer."""
        self.received.append((path, body))
        status = self.statuses.pop(0) if self.statuses else 200
        if status != 200:
            return status, {"error": {"code": status, "message": "as told", "status": _STATUSES[status]}}
        if "requests" in body:
            return 200, {"embeddings": [_values(request["content"]) for request in body["requests"]]}
        if "instances" in body:
            return 200, {"predictions": [{"embeddings": _of(one["content"])} for one in body["instances"]]}
        return 200, {"embedding": _values(body["content"])}


@contextmanager
def embedding_stub() -> Generator[EmbeddingStub]:
    """A stub on a free port for the time of the block."""
    stub = EmbeddingStub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = stub.answer(self.path, body)
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    stub.base_url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _values(content: dict[str, Any]) -> dict[str, Any]:
    return _of("".join(part["text"] for part in content["parts"]))


def _of(text: str) -> dict[str, Any]:
    return {"values": [float(len(text)), *[1.0] * 767]}
