"""The guards around the application, as plain ASGI middleware: visitor identity, origin, limits, headers.

Each does one thing and knows nothing of chat, quiz or model. `app.web` puts them together.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ui.visitors import HEADER, LOOKUP_STATE, TOKEN_STATE

COOKIE = "llamacare_visitor"
COOKIE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 bits in base64url
PAGES = ("", "/library", "/evidence", "/practise", "/models")  # without a slash at the end
MAX_BODY = 1_000_000  # bytes; bounds a private conversation too, which its page sends whole
MAX_BODIES = MappingProxyType(  # of the calls that take a whole file
    {
        "/api/practise/own/preview": 33_000_000,
        "/api/practise/own/import": 33_000_000,
        "/api/practise/restore": 65_000_000,
        "/api/library/add": 67_200_000,
    }
)


class TrustedHosts:
    """Answers only calls for a name that this application goes by, so that no foreign name can be pointed at it (DNS
    rebinding). Starlette's own middleware of this purpose knows no IPv6 address and names no cure."""

    def __init__(self, app: ASGIApp, *, allowed: Iterable[str]) -> None:
        """``allowed``: names in lower case without port; ``*.name`` stands for every name below it, ``*`` for all."""
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = host_name(Headers(scope=scope).get("host", ""))
            if not self._is_allowed(name):
                cure = "Open it by another name, or start it with --allowed-hosts and this one."
                await refuse(send, 400, f"This application does not go by the name {name!r:.80}. {cure}")
                return
        await self._app(scope, receive, send)

    def _is_allowed(self, name: str) -> bool:
        below = {f"*.{name.split('.', count)[-1]}" for count in range(1, name.count(".") + 1)}
        return not self._allowed.isdisjoint({name, "*"} | below)


def host_name(host: str) -> str:
    """The name in a Host header, without its port: ``[::1]:7860`` -> ``[::1]``."""
    return re.sub(r":\d*$", "", host.lower())


class SameOrigin:
    """Turns away what another site's page sends: an Origin, if there is one, must be the host that was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            foreign = origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
            if foreign or (headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in ("GET", "HEAD")):
                await refuse(send, 403, "This call comes from another site's page and is not answered.")
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Reads at most ``MAX_BODY`` bytes of a request's body, or what ``MAX_BODIES`` says for its path, whether or not its length
    was announced."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        limit = MAX_BODIES.get(scope["path"], MAX_BODY)
        body = await read_body(receive, limit)
        if body is None:
            await refuse(send, 413, f"The request is larger than {limit:,} bytes. Send less at once.")
        else:
            await self._app(scope, replay(body, receive), send)


class Visitors:
    """Finds the visitor's token in the cookie or the header and gives a new one with a page, never with a call."""

    def __init__(self, app: ASGIApp, *, lookup: Callable[[str], int], in_frame: bool) -> None:
        """``lookup`` gives a token's visitor to whoever asks for it. ``in_frame``: the page stands in another site's
        frame, as on a Space, and its cookie must survive there."""
        self._app = app
        self._lookup = lookup
        self._attributes = "SameSite=None; Secure; Partitioned" if in_frame else "SameSite=Lax"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = find_token(Headers(scope=scope))
        fresh = token is None and scope["method"] == "GET" and scope["path"].rstrip("/") in PAGES
        if fresh:
            token = secrets.token_urlsafe(32)
        scope.setdefault("state", {}).update({TOKEN_STATE: token, LOOKUP_STATE: self._lookup})

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and fresh:
                cookie = f"{COOKIE}={token}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; {self._attributes}"
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def find_token(headers: Headers) -> str | None:
    """A well-formed token of the header, else of the cookie."""
    named = headers.get(HEADER, "")
    if TOKEN.fullmatch(named):
        return named
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None and TOKEN.fullmatch(morsel.value) else None


class SecurityHeaders:
    """Adds the content security policy and its companions to every answer.

    Gradio's page carries its configuration in inline scripts that differ by request; each is allowed by its own hash, so
    the policy needs neither 'unsafe-inline' nor 'unsafe-eval' for scripts.
    """

    def __init__(self, app: ASGIApp, *, frame_ancestors: Iterable[str]) -> None:
        self._app = app
        self._frame_ancestors = " ".join(frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        held: list[bytes] = []

        async def guarded(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if Headers(raw=message["headers"]).get("content-type", "").startswith("text/html"):
                    start = message  # held back until the page is whole and its scripts are known
                    return
                await send(self._with_headers(message, []))
            elif start is None:
                await send(message)
            else:
                held.append(message.get("body", b""))
                if not message.get("more_body", False):
                    page = b"".join(held)
                    await send(self._with_headers(start, inline_script_hashes(page.decode("utf-8", "replace"))))
                    await send({"type": "http.response.body", "body": page})

        await self._app(scope, receive, guarded)

    def _with_headers(self, message: Message, scripts: list[str]) -> Message:
        headers = MutableHeaders(scope=message)
        for name, value in self._values(scripts).items():
            headers[name] = value
        return message

    def _values(self, scripts: list[str]) -> Mapping[str, str]:
        policy = (
            "default-src 'none'",
            " ".join(("script-src 'self'", *scripts)),
            # Gradio's Svelte writes style elements and attributes; styles can't send anything out under img-src and font-src.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'self'",  # Gradio's page has <base href="./">
            "form-action 'none'",
            f"frame-ancestors {self._frame_ancestors}",
        )
        return {
            "content-security-policy": "; ".join(policy),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
            "cross-origin-resource-policy": "same-origin",
        }


_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)


def inline_script_hashes(html: str) -> list[str]:
    """The policy's sources ('sha256-...') for the inline scripts of one page."""
    digests = (hashlib.sha256(text.encode()).digest() for text in _INLINE_SCRIPT.findall(html))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


async def read_body(receive: Receive, limit: int = MAX_BODY) -> bytes | None:
    """The whole body, None when it has more than ``limit`` bytes; b"" where the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body that was read, then whatever comes after it (the client going away)."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
