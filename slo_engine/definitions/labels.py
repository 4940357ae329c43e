"""The labels that the generated rules set, and that an SLO file can therefore neither group by nor set itself. Changing
one changes users' data."""

from __future__ import annotations

SERVICE = "slo_service"
"""Label: the service of the SLO."""

SLO = "slo"
"""Label: the name of the SLO within its service."""

WINDOW = "slo_window"
"""Label: the window that a recorded ratio or sum covers, such as ``1h``."""

HOUR = "slo_hour"
"""Label: whether a record holds an hour that is closed, or the open one."""

MONTH = "slo_month"
"""Label: the month (1 to 12) that a stretch of five minutes belongs to, in the time zone of the SLO."""

COUNTER = "slo_counter"
"""Label: the counter of which SLO a series was that has gone: ``service/slo/total``. It stands alone beside the labels
of the series itself, which may be called as those above."""

WEEK = "slo_week"
"""Label within an expression: how many weeks ago an hour was."""

SEVERITY = "severity"
"""Alert label: how urgent it is, in the words of those who are told: ``page`` and ``ticket`` unless an SLO file says
otherwise."""

TIER = "slo_tier"
"""Alert label: the severity and the long window of a burn alert, whatever its severity is called: ``page-1h``."""

LONG_WINDOW = "long_window"

SHORT_WINDOW = "short_window"

BURN_RATE = "burn_rate"
"""Alert label: the burn rate factor at which the tier fires."""

MODEL_LABELS = ("model", "model_name", "gen_ai_response_model", "gen_ai_request_model", "requested_model")
"""Labels under which metrics of model calls name the model, the one that answered first."""

RESERVED_LABELS = frozenset(
    {
        SERVICE,
        SLO,
        WINDOW,
        HOUR,
        MONTH,
        WEEK,
        COUNTER,
        SEVERITY,
        TIER,
        LONG_WINDOW,
        SHORT_WINDOW,
        BURN_RATE,
        "le",
        "__name__",
        "alertname",
        "alertstate",
    }
)
"""Labels that an SLO can neither group by nor set, because the rules use them."""
