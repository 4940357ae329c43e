"""A call of a model that several monitors see is counted once, by the one that is nearest to the provider.

A framework's monitor (LangChain's callbacks, the Agents SDK's spans) watches while the framework makes a call. When a
monitored client is called meanwhile, it says so, and the framework's monitor leaves the call to it.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final


class Watched:
    """A call that a monitor watches from further away, from here on in the calling context until `leave`."""

    __slots__ = ("_is_over", "_model", "_outer", "_token", "is_counted")

    def __init__(self, model: str | None) -> None:
        self.is_counted = False
        """Whether a nearer monitor has it."""
        self._model = model
        self._is_over = False
        self._outer = _watched.get()
        self._token: Token[Watched | None] | None = _watched.set(self)

    def leave(self) -> None:
        """The call is over, or its answer has begun to come: what is asked from here on is another one."""
        self._is_over = True
        token, self._token = self._token, None
        if token is not None:
            try:
                _watched.reset(token)
            except ValueError:  # in another context than it began in, where nothing was set
                return

    def count(self, model: str | None) -> None:
        """A nearer monitor counts a call of ``model``: for this monitor and all that are further away."""
        each: Watched | None = self
        while each is not None:
            # A consumer may ask another model while it reads what the watched one says.
            if not each._is_over and (model is None or each._model is None or _is_one(model, each._model)):
                each.is_counted = True
            each = each._outer


def _is_one(model: str, other: str) -> bool:
    """Whether two names may be of one model: some carry their provider."""
    return model.rpartition("/")[2] == other.rpartition("/")[2]


_watched: Final[ContextVar[Watched | None]] = ContextVar("slo_engine_watched_call", default=None)


def count_here(model: str | None) -> None:
    """A call of a model is counted here: whoever watches it from further away leaves it alone."""
    watched = _watched.get()
    if watched is not None:
        watched.count(model)
