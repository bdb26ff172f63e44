"""Stand-ins on loopback for the Hugging Face Hub and for Kaggle, as far as huggingface_hub and kagglehub ask for them."""

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np
from PIL import Image

from artclf.data.sources.artbench_download import VERSION_5


class Service(ThreadingHTTPServer):
    """On a free port."""

    def __init__(self, handler: type["Handler"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def serving(self) -> Iterator[Self]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        with self:
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def asked(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        with suppress(ConnectionError):  # a client that has seen enough
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)


class Hub(Service):
    """The Hugging Face Hub with one model, of which it takes all files as small ones; and what it was asked."""

    def __init__(self) -> None:
        super().__init__(_HubHandler)
        self.files: dict[str, bytes] = {}
        self.private = False
        self.refusal: tuple[int, str] | None = None  # status and error code of every answer
        self.asked: list[str] = []


class _HubHandler(Handler):
    server: Hub

    def answer(self, content: Any = None, status: int = 200, **headers: str) -> None:
        if self.server.refusal is not None:
            content, (status, headers["X_Error_Code"]) = {}, self.server.refusal
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send(status, body, **{"Content_Type": "application/json", **headers})

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
        body = self.asked()
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


def archive() -> bytes:
    """A zip of the 60 folders of AI-ArtBench with a drawn picture each."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for folder in VERSION_5:
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (120, 120, 3), np.uint8)).save(picture, "PNG")
            zipped.writestr(f"Real_AI_SD_LD_Dataset/{folder}/0.png", picture.getvalue())
    return buffer.getvalue()


class Kaggle(Service):
    """Kaggle with one archive, and what it was asked.

    kagglehub posts to `/v1/datasets.DatasetApiService/DownloadDataset` and is redirected to a signed URL of Google's storage.
    Where it has a part of the archive already, it asks that URL again with `Range`.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(_KaggleHandler)
        self.content = content  # the archive
        self.status = 302  # of the answer to a question for the archive: redirected, or refused
        self.questions: list[dict[str, object]] = []


class _KaggleHandler(Handler):
    server: Kaggle

    def do_POST(self) -> None:
        self.server.questions.append(json.loads(self.asked()))
        location = f"{self.server.url}/archive.zip"
        self.send(self.server.status, b"{}", Content_Type="application/json", Location=location, Connection="close")

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.send(206 if asked else 200, self.server.content[start:], Accept_Ranges="bytes", Connection="close")
