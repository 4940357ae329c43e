"""The stages in which events are added up, and how often each is recorded.

- The **base**: the events of each minute. Windows up to :data:`SHORT_LIMIT` are read from it.
- The **stage**: the base added up each five minutes. Windows up to :data:`STAGE_LIMIT` are read from it.
- The **hours**: the stage added up once an hour, and what has come since. All longer windows are read from them.
"""

from __future__ import annotations

from collections.abc import Mapping

from slo_engine.definitions.duration import Duration
from slo_engine.recording.names import (
    ERRORS_HOURS,
    ERRORS_INCREASE,
    ERRORS_STAGE,
    ERRORS_SUM,
    TOTAL_HOURS,
    TOTAL_INCREASE,
    TOTAL_STAGE,
    TOTAL_SUM,
)

SHORT_INTERVAL = Duration.parse("1m")
LONG_INTERVAL = Duration.parse("5m")
HOUR_LENGTH = Duration.parse("1h")

SHORT_LIMIT = Duration.parse("6h")
"""Windows up to this are read from the base."""

STAGE_LIMIT = Duration.parse("3d")
"""Windows up to this are read from the stage, longer ones from the hours."""

STAGES: Mapping[str, str] = {TOTAL_INCREASE: TOTAL_STAGE, ERRORS_INCREASE: ERRORS_STAGE}
HOURS: Mapping[str, str] = {TOTAL_INCREASE: TOTAL_HOURS, ERRORS_INCREASE: ERRORS_HOURS}
"""Base record -> the record of the same events at a later stage."""

SUMS: Mapping[str, str] = {TOTAL_INCREASE: TOTAL_SUM, ERRORS_INCREASE: ERRORS_SUM}
"""Base record -> its sum over the whole SLO window."""
