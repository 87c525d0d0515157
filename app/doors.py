"""What is open of Gradio, and to whom: an allow-list of its paths, and its sessions bound to visitors, as ASGI middleware.

The paths are those of the pinned release; everything that is not named here is closed, in this release and in any later one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.shell import read_body, refuse, replay
from app.ui.visitors import HEADER, TOKEN_STATE

MAX_EVENTS = 10_000  # Gradio events whose owner is remembered

# What the pages and gradio_client need of Gradio. Everything else of it is closed: files, uploads, proxies, monitoring,
# run history, other sessions' streams, code editing.
GRADIO_OPEN = re.compile(
    r"/(?:|library/?|evidence/?|practise/?|models/?|config/?|theme\.css|favicon\.ico|robots\.txt|(?:assets|static|svelte)/[\w./@+-]+"
    r"|gradio_api/(?:info/?|app_id/?|startup-events|queue/join|queue/data|cancel|heartbeat/[\w-]+))"
)
OUR_OWN = ("/api/", "/static/ui/", "/static/styles/", "/static/bank/figures/")
NOWHERE = "There is nothing at this address. Go to / for the chat, to /library, /evidence, /practise or /models."
SESSION_POSTS = ("/gradio_api/queue/join", "/gradio_api/cancel")


class Doors:
    """Opens what is ours and what we need of Gradio, and answers "not found" to the rest, however it is spelled."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_open(scope["path"]):
            await refuse(send, 404, NOWHERE)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    plain = unquote(path)
    if ".." in plain.split("/") or "//" in plain:
        return False
    return plain.startswith(OUR_OWN) or GRADIO_OPEN.fullmatch(plain) is not None


class GradioSessions:
    """Keeps Gradio's events apart by visitor. Gradio gives a session's stream to whoever knows its hash and cancels any
    event for anyone: here every session hash is replaced by one that is bound to the visitor's token, and an event is
    cancelled only for the visitor who began it. Calls without a visitor are turned away."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._owners: OrderedDict[str, str] = OrderedDict()  # event id -> bound session hash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(("/gradio_api/queue/", "/gradio_api/cancel", "/gradio_api/heartbeat/")):
            await self._app(scope, receive, send)
            return
        token: str | None = scope["state"][TOKEN_STATE]
        if token is None:
            await refuse(send, 401, f"Send the header {HEADER} with 43 characters from secrets.token_urlsafe(32).")
        elif path in SESSION_POSTS:
            await self._post(scope, receive, send, token)
        else:
            await self._app(_bind_address(scope, token), receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send, token: str) -> None:
        body = _json_object(await read_body(receive) or b"")
        if body is None:
            await refuse(send, 400, "The body is no JSON object. Use gradio_client as the README shows.")
            return
        session = bound(token, str(body.get("session_hash")))
        if scope["path"].endswith("/cancel") and self._owners.get(str(body.get("event_id"))) != session:
            await refuse(send, 404, "There is no such event.")
            return
        raw = json.dumps({**body, "session_hash": session}).encode()
        headers = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
        scope = {**scope, "headers": [*headers, (b"content-length", str(len(raw)).encode())]}
        await self._app(scope, replay(raw, receive), self._remembering(send, session))

    def _remembering(self, send: Send, session: str) -> Send:
        async def wrapped(message: Message) -> None:
            event = _json_object(message.get("body", b"")) if message["type"] == "http.response.body" else None
            if event is not None and "event_id" in event:
                self._owners[str(event["event_id"])] = session
                while len(self._owners) > MAX_EVENTS:
                    self._owners.popitem(last=False)
            await send(message)

        return wrapped


def bound(token: str, session_hash: str) -> str:
    """A session hash that only this visitor's calls can name."""
    return hashlib.sha256(f"{token}:{session_hash}".encode()).hexdigest()[:32]


def _bind_address(scope: Scope, token: str) -> Scope:
    """The session hash of a GET, which stands in the query or at the end of the path."""
    if scope["path"].startswith("/gradio_api/heartbeat/"):
        head, _, session = scope["path"].rpartition("/")
        path = f"{head}/{bound(token, session)}"
        return {**scope, "path": path, "raw_path": path.encode()}
    pairs = parse_qsl(scope["query_string"].decode("latin-1"))
    query = urlencode([(k, bound(token, v) if k == "session_hash" else v) for k, v in pairs])
    return {**scope, "query_string": query.encode()}


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
