"""`artclf serve`: a page on which images are dropped and judged. It keeps nothing, and nobody else is asked for anything."""

import logging
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from artclf.errors import ArtclfError, needing
from artclf.inference.case import write_case
from artclf.inference.guard import LOCAL, SANDBOX, Guard
from artclf.inference.predict import Model, Prediction
from artclf.inference.prediction_file import as_row, write_csv
from artclf.inference.uploads import Limits, Upload, take_in
from artclf.provenance.read import CAUTION
from artclf.report.render import EmbeddedImage, fill_in, thumbnail

INSTALL_SERVE = 'pip install -e ".[serve]"'
MOST_DROPS = 50  # of sessions that are still open; older ones are forgotten
OPTIONS = {  # of gradio: no other pages than this one, and no history in the visitor's browser
    **{"footer_links": [], "run_history": False, "show_error": False, "enable_monitoring": False},
    **{"ssr_mode": False, "pwa": False, "mcp_server": False},
}
DROP = "Drop images here, or a zip of them"
UPLOADS, UPLOAD_SECONDS = "uploads", 600  # where gradio puts what nobody had judged, and for how long


@dataclass(frozen=True)
class Row:
    """An image of the table."""

    upload: Upload
    found: Prediction
    shown: EmbeddedImage | None  # None where it can't be read


@dataclass
class Drop:
    """What a session dropped last."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))  # in the addresses of its table and case files
    rows: list[Row] = field(default_factory=list)
    is_over: bool = False  # the session has ended, or has dropped something else


class Drops:
    """The drops of all sessions. One goes, with its files, with the session's next one, and when the session ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._of: dict[str, Drop] = {}
        self._lock = Lock()

    def begin(self, session: str) -> Drop:
        """A new drop of a session, with an empty folder."""
        self.forget(session)
        drop = Drop(self.folder / secrets.token_hex(16))
        drop.folder.mkdir()
        with self._lock:
            self._of[session] = drop
            oldest = list(self._of)[:-MOST_DROPS]
        for other in oldest:
            self.forget(other)
        return drop

    def forget(self, session: str) -> None:
        """Delete what a session has dropped."""
        with self._lock:
            drop = self._of.pop(session, None)
        if drop is not None:
            drop.is_over = True
            shutil.rmtree(drop.folder, ignore_errors=True)

    def find(self, token: str) -> Drop | None:
        """The drop of a token, unless its session has ended."""
        return next((drop for drop in list(self._of.values()) if drop.token == token), None)


def judge(model: Model, uploads: list[Upload], views: int, tell: Callable[[tuple[int, int]], None]) -> list[Row]:
    """Predict uploaded images, and so many deliveries of each; `tell` is called with (how many are done, how many there are).

    Returns:
        The highest p_ai first; what can't be read comes last.

    Raises:
        UnreadableImage: a file is gone, as its session has ended.
    """
    rows = []
    with closing(model.predictions((one.file for one in uploads if not one.reason), views=views)) as predictions:
        for number, upload in enumerate(uploads, start=1):
            refused = Prediction(upload.file, math.nan, math.nan, "", upload.reason)
            found = refused if upload.reason else next(predictions)
            rows.append(Row(upload, found, thumbnail(upload.file, model.max_pixels) if found.verdict else None))
            tell((number, len(uploads)))
    return sorted(rows, key=lambda row: row.found.p_ai if row.found.verdict else -1.0, reverse=True)


def build_page(model: Model, limits: Limits, folder: Path, host: str, views: int) -> Any:
    """The page as a FastAPI application.

    Args:
        model: what judges.
        limits: of what is dropped at a time.
        folder: where it writes; nowhere else.
        host: the address that it will listen on.
        views: in how many deliveries an image is judged too.

    Raises:
        ArtclfError: gradio is not installed.
    """
    uploads = folder.resolve() / UPLOADS
    os.environ |= {"GRADIO_TEMP_DIR": str(uploads), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
    with needing("artclf serve", INSTALL_SERVE):
        import gradio as gr  # noqa: PLC0415 (an extra; takes seconds)
        from fastapi import FastAPI  # noqa: PLC0415
        from gradio import route_utils  # noqa: PLC0415

    class OwnPlace(route_utils.GradioUploadFile):  # type: ignore[misc]  # gradio puts equal files of two visitors in one place
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.sha.update(secrets.token_bytes(16))

    route_utils.GradioUploadFile = OwnPlace
    drops = Drops(folder)

    def dropped(files: list[Path], request: gr.Request, progress: Any = gr.Progress()) -> tuple[None, str]:  # noqa: B008
        drop = drops.begin(str(request.session_hash))

        def tell(done: tuple[int, int]) -> None:
            if drop.is_over:
                raise ArtclfError("the page was closed")
            progress(done, unit="images")

        try:
            drop.rows = judge(model, take_in(files, drop.folder, limits), views, tell)
        except ArtclfError as error:
            return None, fill_in("served.html", problem=str(error))
        finally:
            for file in files:  # those that were refused are still there
                file.unlink(missing_ok=True)
            _sweep(uploads)
        return None, fill_in("served.html", rows=drop.rows, token=drop.token, caution=CAUTION)

    def left(request: gr.Request) -> None:
        drops.forget(str(request.session_hash))
        _sweep(uploads)

    name = f"{model.run.folder or model.run.checkpoint}"
    with gr.Blocks(title="artclf", analytics_enabled=False, delete_cache=(60, UPLOAD_SECONDS)) as page:
        gr.HTML(fill_in("served_top.html", name=Path(name).name, limits=limits, rule=model.rule))
        files = _drop_area(uploads)
        table = gr.HTML(elem_id="table")
        files.upload(dropped, files, [files, table], api_visibility="private", show_progress_on=table)
        page.unload(left)
    app = FastAPI(openapi_url=None)
    _add_routes(app, drops, model, views)
    app.add_middleware(Guard, most_bytes=limits.bytes, local=host in LOCAL)
    theme = gr.themes.Base(font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace"))  # the visitor's own
    words = gr.I18n(en={"upload_text.drop_file": DROP})
    options = {"theme": theme, "css": fill_in("served.css"), "i18n": words, "max_file_size": limits.bytes}
    return gr.mount_gradio_app(app, page, path="/", **options, **OPTIONS)


def _drop_area(uploads: Path) -> Any:
    """Where files are dropped: gradio's, with two other methods. A subclass would make gradio write a .pyi file beside this."""
    import gradio as gr  # noqa: PLC0415 (an extra)

    area = gr.File(label=DROP, show_label=False, file_count="multiple", height=170, elem_classes="dropped")
    move = area.async_move_resource_to_block_cache

    def uploaded(file: str) -> Path:
        path = Path(file).resolve()
        if path.parent.parent != uploads or not path.is_file():
            raise gr.Error("this file is not uploaded, or no longer; drop it again", print_exception=False)
        return path

    async def move_file(file: Any) -> str:  # gradio's would also fetch an address, and copy files of the current folder
        return str(await move(str(uploaded(str(file)))))

    def preprocess(payload: Any) -> list[Path]:  # gradio's leaves an empty file for each
        return [uploaded(file.path) for file in payload or ()]

    vars(area).update(async_move_resource_to_block_cache=move_file, preprocess=preprocess)
    return area


def _sweep(uploads: Path) -> None:
    """Delete what gradio forgets: interrupted uploads, and empty folders."""
    for path in uploads.iterdir():
        with suppress(FileNotFoundError):  # another session sweeps too
            if time.time() - path.stat().st_mtime > UPLOAD_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _add_routes(app: Any, drops: Drops, model: Model, views: int) -> None:
    """The addresses of a drop's table and of its case files; who doesn't know its token gets nothing."""
    from fastapi import HTTPException, Response  # noqa: PLC0415 (an extra)
    from fastapi.responses import PlainTextResponse  # noqa: PLC0415

    one_at_a_time = Lock()

    def known(token: str) -> Drop:
        drop = drops.find(token)
        if drop is None:
            raise HTTPException(404, "this session has ended, and its images are deleted; drop them again")
        return drop

    def table(token: str) -> Response:
        text = StringIO()
        write_csv(text, (as_row(row.found) | {"path": row.upload.name} for row in known(token).rows))
        headers = {"Content-Disposition": 'attachment; filename="predictions.csv"'}
        return Response(text.getvalue(), headers=headers, media_type="text/csv")

    def case(token: str, number: int) -> Response:
        drop = known(token)
        if not (0 <= number < len(drop.rows) and drop.rows[number].found.verdict):
            raise HTTPException(404, "there is no such image")
        try:
            with one_at_a_time, TemporaryDirectory(dir=drops.folder) as folder:
                page = write_case(model, drop.rows[number].upload.file, Path(folder, "case.html"), views=views)
                text = page.read_text(encoding="utf-8")
        except ArtclfError as error:
            raise HTTPException(400, str(error)) from error
        return Response(text, headers={"Content-Security-Policy": SANDBOX}, media_type="text/html")

    app.add_exception_handler(HTTPException, lambda _, error: PlainTextResponse(error.detail, error.status_code))
    app.add_api_route("/table/{token}.csv", table)
    app.add_api_route("/case/{token}/{number}", case)


def listen(page: Any, listening: socket) -> None:
    """Answer requests on a socket until SIGINT or SIGTERM, which are raised again at the end."""
    from uvicorn import Config, Server  # noqa: PLC0415 (an extra)

    server = Server(Config(page, log_level="warning", access_log=False, timeout_graceful_shutdown=1))
    end = server.handle_exit

    def end_at_once(number: int, frame: Any) -> None:
        page.routes[-1].app.stop_event.set()  # gradio's: open pages would keep the server waiting
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what is cut off now is no error
        end(number, frame)

    server.handle_exit = end_at_once
    server.run(sockets=[listening])
