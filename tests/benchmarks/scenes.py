"""What users do, told once for every peer that streams: many at once, and one beside another.

A peer gives a function ``write(prompt, tokens)``, a generator of pieces of text that returns the number of tokens written. All
times are in seconds, ``times`` those of the pieces since the scene began.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from tests.benchmarks.prompts import Rendered

Write = Callable[[Rendered, int], Generator[str, None, int]]
Reader = dict[str, Any]  # "start", "times", "tokens", "text", "error" of one user


def streaming_ops(write: Write) -> dict[str, Callable[..., Any]]:
    return {
        "users": lambda prompts, tokens: users(write, _rendered(prompts), tokens),
        "beside": lambda background, prompt, background_tokens, tokens, after: beside(
            write,
            Rendered.of(background),
            Rendered.of(prompt),
            background_tokens=background_tokens,
            tokens=tokens,
            after=after,
        ),
    }


def users(write: Write, prompts: Sequence[Rendered], tokens: int) -> dict[str, Any]:
    """All prompts at once, each by a user of its own. ``wall`` ends with the last word of the last one."""
    begun = time.monotonic()
    readers: list[Reader] = [{} for _ in prompts]
    threads = [
        threading.Thread(target=_read, args=(write, prompt, tokens, begun, reader))
        for prompt, reader in zip(prompts, readers, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.monotonic() - begun
    _raise_first(readers)
    return {"wall": wall, "users": readers}


def beside(
    write: Write, background: Rendered, prompt: Rendered, *, background_tokens: int, tokens: int, after: int
) -> dict[str, Any]:
    """``prompt`` arrives when the background's answer has ``after`` pieces."""
    begun = time.monotonic()
    enough = threading.Event()
    first: Reader = {}
    second: Reader = {}
    waited = {"enough": enough, "after": after}
    stream = threading.Thread(target=_read, args=(write, background, background_tokens, begun, first), kwargs=waited)
    stream.start()
    enough.wait()
    _read(write, prompt, tokens, begun, second)
    stream.join()
    _raise_first([first, second])
    return {"background": first, "reader": second}


def _read(
    write: Write,
    prompt: Rendered,
    tokens: int,
    begun: float,
    reader: Reader,
    *,
    enough: threading.Event | None = None,
    after: int = 0,
) -> None:
    reader.update(start=time.monotonic() - begun, times=[], tokens=0, text="", error="")
    pieces: list[str] = []
    try:
        stream = write(prompt, tokens)
        while True:
            try:
                piece = next(stream)
            except StopIteration as end:
                reader["tokens"] = end.value
                break
            if piece:
                reader["times"].append(time.monotonic() - begun)
                pieces.append(piece)
            if enough is not None and len(pieces) >= after:
                enough.set()
    except Exception as error:
        reader["error"] = f"{type(error).__name__}: {error}"
    finally:
        reader["text"] = "".join(pieces)
        if enough is not None:
            enough.set()


def _raise_first(readers: Sequence[Mapping[str, Any]]) -> None:
    for reader in readers:
        if reader["error"]:
            raise RuntimeError(reader["error"])


def _rendered(frames: Sequence[Mapping[str, Any]]) -> list[Rendered]:
    return [Rendered.of(frame) for frame in frames]
