"""The names of the records and alerts that the generated rules write and the engine reads. Changing one changes users'
data."""

from __future__ import annotations

from collections.abc import Mapping

# Records. Level "slo"; what is recorded; how it was made.
SERIES_LAST = "slo:sli_series:last"
"""The last sample of a raw series that has gone, with its labels and ``slo_counter``: written once, when it goes. When
the series comes back, what it has counted meanwhile is known."""

EVENTS_INCREASE = "slo:sli_events:increase1m"
"""For events whose errors (or good ones) are among the series of the total: the events of each minute, by the group and
the labels that tell the part from the rest. Total and errors are read from it."""

TOTAL_INCREASE = "slo:sli_total:increase1m"
ERRORS_INCREASE = "slo:sli_errors:increase1m"
"""Base: the events of each minute, summed by the group. Errors are 0 where there are none."""

REQUESTS_INCREASE = "slo:sli_requests:increase1m"
"""For spend with a limit on what a request costs, the requests of each minute."""

TOTAL_STAGE = "slo:sli_total:stage5m"
ERRORS_STAGE = "slo:sli_errors:stage5m"
"""The base added up each five minutes: what windows beyond some hours are read from."""

TOTAL_HOURS = "slo:sli_total:stage1h"
ERRORS_HOURS = "slo:sli_errors:stage1h"
"""The stage added up. ``slo_hour="closed"``: once in an hour, that hour, so a partition of time again.
``slo_hour="open"``: what has come since the last hour was closed."""

ERRORS_MONTH = "slo:sli_errors:month5m"
"""The stage of a spend SLO for the calendar month, by ``slo_month``."""

ERROR_RATIO = "slo:sli_error:ratio"
"""Errors / total over ``slo_window``. For spend: spent / (budget x window / SLO window), that is, the burn rate."""

TOTAL_WINDOW = "slo:sli_total:window"
"""Events over ``slo_window``, for the windows that an alert must be sure of."""

IMPROBABILITY = "slo:sli_error:improbability"
"""How improbable the errors over ``slo_window`` are for a service that just meets its objective: at most exp(-this).
Not there while the error ratio is within the budget."""

TOTAL_SUM = "slo:sli_total:sum"
ERRORS_SUM = "slo:sli_errors:sum"
"""Events (for spend: money) over the whole SLO window."""

OBJECTIVE = "slo:objective:ratio"
"""The objective of each group, overrides applied: 0.98."""

BUDGET_REMAINING = "slo:error_budget_remaining:ratio"
"""1 = untouched, 0 = exhausted, negative = overspent."""

# Alerts.
BURN_ALERT = "SLOErrorBudgetBurn"
SPEND_ALERT = "SLOSpendBudgetBurn"
EXHAUSTED_ALERT = "SLOErrorBudgetExhausted"
SPEND_EXHAUSTED_ALERT = "SLOSpendBudgetExhausted"
ABSENT_ALERT = "SLODataAbsent"
SPEND_PER_HOUR_ALERT = "SLOSpendPerHour"
COST_PER_REQUEST_ALERT = "SLOCostPerRequest"
SPEND_SPIKE_ALERT = "SLOSpendSpike"
UNPRICED_ALERT = "SLOSpendUnpriced"

BURN_ALERTS: Mapping[str, str] = {"objective": BURN_ALERT, "budget": SPEND_ALERT}
EXHAUSTED_ALERTS: Mapping[str, str] = {"objective": EXHAUSTED_ALERT, "budget": SPEND_EXHAUSTED_ALERT}
"""By what an SLO is held to."""
