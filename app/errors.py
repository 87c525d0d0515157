"""Every exception that crosses a module boundary of the application.

    LlamaCareError
    ├── BadInput            400  a value that cannot be used
    │   └── TooLarge        413  a message or body over its limit
    ├── NoVisitor           401  a call without a visitor's token
    ├── NotFound            404  absent, or another visitor's (never told apart)
    ├── Conflict            409  not possible in this state
    ├── Busy                429  the queue is full
    ├── DownloadFailed           a file was not fetched
    ├── SettingsError            a flag or environment variable that cannot be used
    ├── StoreError          500  the database cannot be opened or written
    └── EngineError         503  no answer can be computed
        ├── ModelFileError       the model file is missing, broken or of an unknown kind
        ├── EngineDied           the engine's process ended while it worked
        └── NoLabels             the model has no readable labels (no ECI)

The text of an error is one sentence for the user: the thing, its value, what was expected, the cure.
"""

from __future__ import annotations


class LlamaCareError(Exception):
    """Something went wrong that has a sentence for the user."""

    status = 500

    @property
    def sentence(self) -> str:
        return str(self)


class BadInput(LlamaCareError):
    """A value cannot be used; the sentence names it and the cure."""

    status = 400


class TooLarge(BadInput):
    """A message or a request body is over its limit."""

    status = 413


class NoVisitor(LlamaCareError):
    """The call carries no visitor's token."""

    status = 401


class NotFound(LlamaCareError):
    """What was asked for is absent or belongs to another visitor."""

    status = 404


class Conflict(LlamaCareError):
    """The call is right, but not in this state."""

    status = 409


class Busy(LlamaCareError):
    """More requests wait than the queue may hold."""

    status = 429


class DownloadFailed(LlamaCareError):
    """A file was not fetched; the sentence says what is kept and how to go on."""


class SettingsError(LlamaCareError):
    """A flag or an environment variable cannot be used."""


class StoreError(LlamaCareError):
    """The database cannot be opened, read or written."""


class EngineError(LlamaCareError):
    """The engine can compute no answer."""

    status = 503


class ModelFileError(EngineError):
    """The model file is missing, broken or of a kind that the engine does not know."""


class EngineDied(EngineError):
    """The engine's process ended while it worked on this."""


class NoLabels(EngineError):
    """The model has no single token a label, so no option can be scored."""
