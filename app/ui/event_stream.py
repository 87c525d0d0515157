"""A blocking iterator of records as a server-sent event stream that ends its iterator when the page goes away."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

import anyio
import anyio.to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EventSource = Generator[dict[str, Any], None, None]


class EventStream(Response):
    """Sends each record as one ``data:`` event. The iterator runs in threads of ``limiter``, one step at a time, and is
    closed in every case: at its end, after an error, and when the client has gone (noticed between two steps). ``after`` is
    called last: a client may go before the first step, and closing an iterator that has not begun runs none of it."""

    media_type = "text/event-stream"

    def __init__(self, events: EventSource, limiter: anyio.CapacityLimiter, *, after: Callable[[], None]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._limiter = limiter
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with anyio.create_task_group() as group:

                async def until_gone() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                group.start_soon(until_gone)
                await self._send_all(send)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._events.close, limiter=self._limiter)
                await anyio.to_thread.run_sync(self._after, limiter=self._limiter)

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while True:
            event = await anyio.to_thread.run_sync(next, self._events, None, limiter=self._limiter)
            if event is None:
                break
            body = f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
