"""The tracing that is used where none is given: `configure`'s, else to the LangFuse that the environment names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slo_engine.monitoring.defaults import chosen
from slo_engine.monitoring.quiet import warn

if TYPE_CHECKING:
    from slo_engine.monitoring.tracing import Tracing


def default_tracing() -> Tracing | None:
    """That of `configure`, else to the LangFuse that ``LANGFUSE_*`` names, else None."""
    if not chosen.is_tracing_known:
        with chosen.lock:
            if not chosen.is_tracing_known:
                chosen.tracing = _from_environment()
                chosen.is_tracing_known = True
    return chosen.tracing


def flush_traces(timeout: float = 2.0) -> bool:
    """Wait until no trace waits, ``timeout`` seconds at most. True: LangFuse has taken all traces and scores since the
    last call, or tracing is off; False: some are still on their way, or were refused, given up or dropped since then
    (``agent_monitoring_dropped_total`` and the log say why).

    Done at exit by itself, but Python runs no exit handlers when a signal ends it: see docs/monitoring.md.
    """
    tracing = default_tracing()
    return tracing is None or tracing.flush(timeout)


def _from_environment() -> Tracing | None:
    """Tracing to the LangFuse of ``LANGFUSE_*``; None without keys, or with ``LANGFUSE_TRACING_ENABLED=false``."""
    if os.environ.get("LANGFUSE_TRACING_ENABLED", "true").lower() == "false":
        return None
    if not (os.environ.get("LANGFUSE_PUBLIC_KEY") and os.environ.get("LANGFUSE_SECRET_KEY")):
        return None
    from slo_engine.monitoring.langfuse import LangFuseTracing  # only where there are keys

    try:
        return LangFuseTracing()
    except ImportError:
        warn("LANGFUSE_* is set, but the SDK is not installed: pip install 'slo-engine[langfuse]'")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a tracing backend, the agent starts
        warn(f"LangFuse cannot be used ({type(error).__name__}: {error}); the agent is not affected")
    return None
