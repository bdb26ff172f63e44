"""A stand-in for the Kaggle service on loopback, as far as kagglehub asks for it, with the faults that tests want.

kagglehub posts to `/v1/datasets.DatasetApiService/DownloadDataset`, is redirected to a signed URL of Google's storage, and
reads from there `Content-Length`, `Accept-Ranges` and `x-goog-hash`; where a part is there already, it asks the same URL
again with `Range`.
"""

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

from artclf.data.sources.artbench_download import VERSION_5

MEBIBYTE = 2**20  # kagglehub writes so much at a time: what arrived of a chunk that is cut short is lost
ASKED = "/v1/datasets.DatasetApiService/DownloadDataset"


def archive() -> bytes:
    """A zip of the 60 folders of AI-ArtBench with a drawn picture each, of more than 4 MiB."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for folder in VERSION_5:
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (160, 160, 3), np.uint8)).save(picture, "PNG")
            zipped.writestr(f"Real_AI_SD_LD_Dataset/{folder}/0.png", picture.getvalue())
    return buffer.getvalue()


@dataclass
class Kaggle:
    """What the stand-in serves, and what it was asked.

    Attributes:
        content: the archive.
        url: where it listens.
        md5: the hash that it announces (base64).
        status: a refusal for the n-th question for the archive, counted from 1.
        breaks: after how many bytes the answer to the n-th question breaks off.
        questions: the bodies of the questions for the archive.
        ranges: the Range headers that came, with the number of bytes served for each.
    """

    content: bytes
    url: str = ""
    md5: str = ""
    status: dict[int, int] = field(default_factory=dict)
    breaks: dict[int, int] = field(default_factory=dict)
    questions: list[dict[str, object]] = field(default_factory=list)
    ranges: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.md5 = self.md5 or base64.b64encode(hashlib.md5(self.content).digest()).decode()


@contextmanager
def serving(kaggle: Kaggle) -> Iterator[Kaggle]:
    """Serve it on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.close_connection = True
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
                self.send_header(name, value)
            try:
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                pass  # a client that has seen enough

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != ASKED:
                return self.answer(404, {})
            kaggle.questions.append(body)
            number = len(kaggle.questions)
            if number in kaggle.status:
                code = kaggle.status[number]
                told = json.dumps({"code": code, "message": "told by the stand-in"}).encode()
                return self.answer(code, {"Content-Type": "application/json"}, told)
            return self.answer(302, {"Location": f"{kaggle.url}/storage/{number}/archive.zip?X-Goog-Signature=abc"})

        def do_GET(self) -> None:
            number = int(self.path.split("/")[2])
            hashed = {"Accept-Ranges": "bytes", "x-goog-hash": f"crc32c=AAAAAA==,md5={kaggle.md5}"}
            asked, total, start = self.headers["Range"], len(kaggle.content), 0
            if asked:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                kaggle.ranges.append((asked, total - start))
                hashed["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
            body = kaggle.content[start : kaggle.breaks.get(number)]
            self.answer(206 if asked else 200, {**hashed, "Content-Length": str(total - start)}, body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    kaggle.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kaggle
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
