"""Who asks: the visitor behind a request, from the token that our shell found in its cookie or header (DESIGN.md, Visitor)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.errors import NoVisitor
from app.store import Store

TOKEN_STATE = "visitor_token"
HEADER = "x-llamacare-visitor"


def visitor_id(request: Request) -> int:
    """The visitor's number in the store. Raises NoVisitor where the request carries no token."""
    token: str | None = getattr(request.state, TOKEN_STATE, None)
    if token is None:
        raise NoVisitor(
            "This call carries no visitor. In the browser, open the page first and allow its cookie; "
            f"elsewhere, send a header {HEADER} with 43 characters from secrets.token_urlsafe(32)."
        )
    store: Store = request.app.state.store
    return store.visitor(token)


Visitor = Annotated[int, Depends(visitor_id)]
