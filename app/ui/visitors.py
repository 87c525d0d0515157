"""Who asks: the visitor behind a request, from the token that our shell found in its cookie or header (DESIGN.md, Visitor)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from app.errors import NoVisitor

TOKEN_STATE = "visitor_token"
LOOKUP_STATE = "visitor_lookup"
HEADER = "x-llamacare-visitor"


def visitor_id(request: Request) -> int:
    """The visitor's number in the store. Raises NoVisitor where the request carries no token."""
    token: str | None = getattr(request.state, TOKEN_STATE, None)
    if token is None:
        raise NoVisitor(
            "This call carries no visitor. In the browser, open the page first and allow its cookie; "
            f"elsewhere, send a header {HEADER} with 43 characters from secrets.token_urlsafe(32)."
        )
    lookup: Callable[[str], int] = getattr(request.state, LOOKUP_STATE)
    return lookup(token)


Visitor = Annotated[int, Depends(visitor_id)]
