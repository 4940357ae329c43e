"""How a run ended, and what a trace says of it."""

from __future__ import annotations

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
    if isinstance(error, GeneratorExit):  # the consumer had enough
        return "success", None
    if isinstance(error, SystemExit):
        return ("success", None) if error.code in {None, 0} else ("exit", ErrorCategory.CANCELLED)
    if is_cancelled(error):
        return "cancelled", ErrorCategory.CANCELLED
    category = classify_error(error)
    return ("timeout" if category == ErrorCategory.TIMEOUT or is_timeout(error) else "error"), category


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
