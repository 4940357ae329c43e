"""How a run ended, and what a trace says of it."""

from __future__ import annotations

import gc
import sys
from types import AsyncGeneratorType
from typing import Final

from slo_engine.monitoring.classify import ErrorCategory, classify_error, is_cancelled, is_timeout
from slo_engine.monitoring.content import MARGIN, cut

MAX_MESSAGE: Final = 1000
"""Characters of an exception's text in a trace."""

MAX_FRAMES: Final = 10
"""Innermost lines of a traceback in a trace."""


_OURS: Final = "slo_engine.monitoring."


def ending(error: BaseException) -> tuple[str, str | None]:
    """Status and error category; without a category it is no error."""
    if is_left_early(error):
        return "success", None
    if isinstance(error, SystemExit):
        return ("success", None) if error.code in {None, 0} else ("exit", ErrorCategory.CANCELLED)
    if is_cancelled(error):
        return "cancelled", ErrorCategory.CANCELLED
    category = classify_error(error)
    return ("timeout" if category == ErrorCategory.TIMEOUT or is_timeout(error) else "error"), category


def is_left_early(error: BaseException) -> bool:
    """Whether the consumer of a generator had enough: it reaches the generator as an exception, but is no failure."""
    return isinstance(error, GeneratorExit) or (is_cancelled(error) and _is_of_a_closing(error))


def _is_of_a_closing(error: BaseException) -> bool:
    """Whether a cancellation has come through a generator that asyncio was closing.

    asyncio closes an async generator that its consumer has dropped in a task of its own. Where the loop ends before
    that task does, as it does when ``asyncio.run`` ends with the consumer, it cancels the task: what reaches the
    generator is that, instead of a GeneratorExit, or after it in its cleanup. An agent that the cleanup calls is
    cancelled like any other: its traceback does not lead through the generator yet.
    """
    asyncio, trace = sys.modules.get("asyncio"), error.__traceback__
    try:
        closing = asyncio.current_task().get_coro() if asyncio is not None else None
    except (RuntimeError, AttributeError):  # outside of any loop, or of any task
        return False
    if type(closing).__name__ != "async_generator_athrow":  # what `aclose` answers; its type has no public name
        return False
    closed = [each.ag_frame for each in gc.get_referents(closing) if isinstance(each, AsyncGeneratorType)]
    while trace is not None:
        if trace.tb_frame in closed:
            return True
        trace = trace.tb_next
    return False


def frames(error: BaseException) -> str:
    """Where it came from, the innermost lines last, without reading any source file."""
    found: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not str(trace.tb_frame.f_globals.get("__name__")).startswith(_OURS):
            found.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_qualname}")
        trace = trace.tb_next
    return "\n".join(found[-MAX_FRAMES:])


def told(error: BaseException) -> str:
    """The status message of a failure, still to be scrubbed and cut."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an exception of the agent's own may not be printable, and is on its way
        text = "(unprintable)"
    return f"{type(error).__name__}: {cut(text, MAX_MESSAGE * MARGIN)}"
