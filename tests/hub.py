"""A stand-in for the Hugging Face Hub on loopback, as far as huggingface_hub asks for it: it takes all files as small ones."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub(ThreadingHTTPServer):
    """What the stand-in holds, and what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, bytes] = {}  # of the one model
        self.private = False
        self.refusal: tuple[int, str] | None = None  # status and error code of every answer
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def answer(self, content: Any = None, status: int = 200, **headers: str) -> None:
        if self.server.refusal is not None:
            content, (status, headers["X_Error_Code"]) = {}, self.server.refusal
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), "Content_Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.path.startswith("/api/models/"):
            return self.answer({"id": "me/model", "private": self.server.private, "siblings": []})
        content = self.server.files.get(self.path.rpartition("/")[2])
        if content is None:
            return self.answer(status=404, X_Error_Code="EntryNotFound", X_Repo_Commit="c" * 40)
        return self.answer(content, ETag=f'"{hashlib.sha256(content).hexdigest()}"', X_Repo_Commit="c" * 40)

    do_HEAD = do_GET  # noqa: N815 (as http.server calls it)

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/commit/main"):
            for item in map(json.loads, body.splitlines()):
                if item["key"] == "file":
                    self.server.files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            return self.answer({"commitUrl": f"{self.server.url}/me/model/commit/{'c' * 40}", "commitOid": "c" * 40})
        asked = json.loads(body)
        if self.path == "/api/repos/create":
            if self.server.files:
                return self.answer({"url": f"{self.server.url}/me/model"}, 409)
            self.server.private = asked.get("visibility") == "private" or asked.get("private") is True  # new and old
            return self.answer({"url": f"{self.server.url}/me/model"})
        if self.path.endswith("/preupload/main"):
            files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked["files"]]
            return self.answer({"files": files})
        return self.answer({"errors": [], "warnings": []})  # /api/validate-yaml


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve an empty Hub on a free port of loopback."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
