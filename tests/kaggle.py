"""A stand-in for the Kaggle service on loopback, as far as kagglehub asks for it.

kagglehub posts to `/v1/datasets.DatasetApiService/DownloadDataset` and is redirected to a signed URL of Google's storage. Where
it has a part of the archive already, it asks that URL again with `Range`.
"""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

from artclf.data.sources.artbench_download import VERSION_5

MEBIBYTE = 2**20  # kagglehub writes so much at a time: what arrived of a chunk that is cut short is lost


def archive() -> bytes:
    """A zip of the 60 folders of AI-ArtBench with a drawn picture each, of more than 2 MiB."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for folder in VERSION_5:
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (120, 120, 3), np.uint8)).save(picture, "PNG")
            zipped.writestr(f"Real_AI_SD_LD_Dataset/{folder}/0.png", picture.getvalue())
    return buffer.getvalue()


class Kaggle(ThreadingHTTPServer):
    """What the stand-in serves, and what it was asked."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.content = content  # the archive
        self.status = 302  # of the answer to a question for the archive: redirected, or refused
        self.breaks: int | None = None  # after how many bytes the next answer breaks off
        self.questions: list[dict[str, object]] = []
        self.ranges: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Kaggle

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), "Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        with suppress(ConnectionError):  # a client that has seen enough
            self.end_headers()
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(self.server.status, b"{}", Content_Type="application/json", Location=f"{self.server.url}/archive.zip")

    def do_GET(self) -> None:
        asked, total, start = self.headers["Range"], len(self.server.content), 0
        if asked:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.server.ranges.append(asked)
        body, self.server.breaks = self.server.content[start : self.server.breaks], None
        self.answer(206 if asked else 200, body, Accept_Ranges="bytes", Content_Length=str(total - start))


@contextmanager
def serving(content: bytes) -> Iterator[Kaggle]:
    """Serve an archive on a free port of loopback."""
    with Kaggle(content) as kaggle:
        thread = threading.Thread(target=kaggle.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield kaggle
        finally:
            kaggle.shutdown()
            thread.join()
