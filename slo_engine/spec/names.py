"""Every metric and label name that the generated rules write and the engine reads. Changing one changes users' data."""

from __future__ import annotations

SERVICE = "slo_service"
"""Label: the service of the SLO."""

SLO = "slo"
"""Label: the name of the SLO within its service."""

WINDOW = "slo_window"
"""Label: the window that a recorded ratio or sum covers, such as ``1h``."""

# Records. Level "slo"; what is recorded; how it was made.
TOTAL_INCREASE = "slo:sli_total:increase5m"
ERRORS_INCREASE = "slo:sli_errors:increase5m"
"""Base, each minute: events of the last five minutes, summed by the group. Errors are 0 where there are none."""

TOTAL_STAGE = "slo:sli_total:stage5m"
ERRORS_STAGE = "slo:sli_errors:stage5m"
"""The base once in five minutes: a partition of time, whose samples add up to the events of any longer window."""

ERROR_RATIO = "slo:sli_error:ratio"
"""Errors / total over ``slo_window``. For spend: spent / (budget x window / SLO window), that is, the burn rate."""

TOTAL_SUM = "slo:sli_total:sum"
ERRORS_SUM = "slo:sli_errors:sum"
"""Events (for spend: money) over the whole SLO window."""

OBJECTIVE = "slo:objective:ratio"
"""The objective of each group, overrides applied: 0.98."""

BUDGET_REMAINING = "slo:error_budget_remaining:ratio"
"""1 = untouched, 0 = used up, negative = overspent."""

# Alerts.
BURN_ALERT = "SLOErrorBudgetBurn"
SPEND_ALERT = "SLOSpendBudgetBurn"
ABSENT_ALERT = "SLODataAbsent"

SEVERITY = "severity"
LONG_WINDOW = "long_window"
SHORT_WINDOW = "short_window"
BURN_RATE = "burn_rate"
"""Alert label: the burn rate factor at which the tier fires."""

RESERVED_LABELS = frozenset(
    {SERVICE, SLO, WINDOW, SEVERITY, LONG_WINDOW, SHORT_WINDOW, BURN_RATE, "le", "__name__", "alertname", "alertstate"}
)
"""Labels that an SLO can neither group by nor set, because the rules use them."""
