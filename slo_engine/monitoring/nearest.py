"""A call that several monitors see is counted once, by the one that is nearest to what is called.

A framework's monitor (LangChain's callbacks, the Agents SDK's spans) watches while the framework makes a call. When a
monitored client, or a function that is decorated as this tool, is called meanwhile, it says so, and the framework's
monitor leaves the call to it.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar, Token
from typing import Any, Final, Literal

Kind = Literal["model", "tool"]


class Watched:
    """A call that a monitor watches from further away, from here on in the calling context until `leave`. ``name``:
    of the model or the tool; None: not known."""

    __slots__ = ("_is_over", "_kind", "_name", "_outer", "_token", "is_counted")

    def __init__(self, name: str | None, kind: Kind = "model") -> None:
        self.is_counted = False
        """Whether a nearer monitor has it."""
        self._name = name
        self._kind = kind
        self._is_over = False
        # What is over may still be set here: a call that ended in another context. A chain of those would only grow.
        outer: Watched | None = _watched[kind].get()
        while outer is not None and outer._is_over:
            outer = outer._outer
        self._outer: Watched | None = outer
        self._token: Token[Watched | None] | None = _watched[kind].set(self)

    def leave(self) -> None:
        """The call is over, or its answer has begun to come: what is asked from here on is another one."""
        self._is_over = True
        token, self._token = self._token, None
        if token is not None:
            try:
                _watched[self._kind].reset(token)
            except ValueError:  # in another context than it began in, where nothing was set
                return

    def count(self, name: str | None) -> None:
        """A nearer monitor counts a call of ``name``: for this monitor and all that are further away."""
        each: Watched | None = self
        while each is not None:
            # A tool may call others. A model's name says nothing: it may be an alias for the one that is asked.
            if not each._is_over and (self._kind == "model" or each._name == name):
                each.is_counted = True
            each = each._outer


_models: Final[ContextVar[Watched | None]] = ContextVar("slo_engine_watched_model", default=None)
watched_tools: Final[ContextVar[Watched | None]] = ContextVar("slo_engine_watched_tool", default=None)
"""For who is in a hurry: most tools are watched by nobody."""
_watched: Final[dict[Kind, ContextVar[Watched | None]]] = {"model": _models, "tool": watched_tools}


def count_here(model: str | None) -> None:
    """A call of a model is counted here: whoever watches it from further away leaves it alone."""
    watched = _models.get()
    if watched is not None:
        watched.count(model)


def count_tool_here(tool_name: str) -> None:
    """The same of a tool."""
    watched = watched_tools.get()
    if watched is not None:
        watched.count(tool_name)


_answers: Final[dict[int, weakref.ref[Any]]] = {}


def remember(answer: Any) -> None:
    """An answer has been counted: somebody may give it to us again, to be counted."""
    number = id(answer)
    try:
        _answers[number] = weakref.ref(answer, lambda _: _answers.pop(number, None))
    except TypeError:  # of a kind that cannot be referred to
        return


def is_remembered(answer: Any) -> bool:
    """Whether this very answer has been counted."""
    found = _answers.get(id(answer))
    return found is not None and found() is answer
