"""What stands before a page that is served: who may ask it, how much may be sent, and what a browser may do with an answer."""

from typing import Any

LOCAL = ("127.0.0.1", "localhost")
_FORM = 2**20  # bytes of a request beyond the files in it

# The browser asks nobody else, whatever a page holds; gradio's own pages need inline scripts and eval
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
SANDBOX = "sandbox allow-modals; default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # of a page without scripts
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware: refuses what other sites ask through a visitor's browser, and bodies that are too long.

    Args:
        app: the application behind it.
        most_bytes: of an upload.
        local: whether it listens on this machine alone: a request under another machine's name is then refused too, which is
            how a site whose name leads to 127.0.0.1 would ask (DNS rebinding).
    """

    def __init__(self, app: Any, most_bytes: int, *, local: bool) -> None:
        self.app, self.most_bytes, self.local = app, most_bytes, local

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or pass it on."""
        from starlette.datastructures import Headers, MutableHeaders  # noqa: PLC0415 (an extra)
        from starlette.responses import PlainTextResponse  # noqa: PLC0415

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self.app
        if scope["type"] == "http" and (refused := self._refusal(scope["method"], Headers(scope=scope))):
            app = PlainTextResponse(refused[1], refused[0])
        await app(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Any) -> tuple[int, str] | None:
        """HTTP status and reason where a request is refused."""
        host, origin, length = headers.get("host", ""), headers.get("origin"), headers.get("content-length", "")
        if self.local and host.partition(":")[0] not in LOCAL:
            return 403, f"asked for as {host!r}; this page is for {LOCAL[0]} alone"
        # browsers name the origin of every request of another site that may change or read something
        if origin is not None and origin.partition("://")[2] not in {host, headers.get("x-forwarded-host")}:
            return 403, "requests of other sites are refused"
        if "transfer-encoding" in headers or (method == "POST" and not length.isdecimal()):
            return 411, "the length of what is sent is missing"
        if length.isdecimal() and int(length) > self.most_bytes + _FORM:
            return 413, f"{int(length):,} bytes are more than the {self.most_bytes:,} that may be uploaded at a time"
        return None
