"""What the commands show while they work, all on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

INTERRUPTED = 130  # the shell's status for a command that Ctrl+C ended


@contextmanager
def bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, and what brings it forward."""
    with tqdm(desc=what, unit=unit, file=sys.stderr) as shown:

        def tell(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield tell


def say(text: str) -> None:
    print(text, file=sys.stderr)
