"""The metrics of the LiteLLM proxy. Names: ``litellm/integrations/prometheus.py``; labels and buckets:
``litellm/types/integrations/prometheus.py``. prometheus_client adds ``_total`` to the name of a counter.

Their many labels (key, team, user, client, model ...) make many series that see a single request, whose count
``increase`` cannot know; so the SLIs name the labels, and a series that is new beside others of its proxy counts in
full.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slo_engine.definitions.fields import Money
from slo_engine.definitions.kinds import CostSli, EventsSli
from slo_engine.definitions.kinds.cost import Month
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.templates.template import LatencyParameters, Parameters, Template, within

PAGE = "https://docs.litellm.ai/docs/proxy/prometheus"

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Those that every version has: up to 1.83 there were more between 500 ms and 5 minutes; 1.86 and later have 10 ms,
250 ms, 7 minutes and 10 minutes as well."""

_CALLER = ("hashed_api_key", "api_key_alias", "team", "team_alias", "client_ip", "user_agent")
_USER = (*_CALLER, "end_user", "user", "user_email", "org_id", "org_alias")
_PROXY = (*_USER, "requested_model", "model_id", "api_provider", "route", "status_code")
_DEPLOYMENT = (*_CALLER, "requested_model", "model_group", "litellm_model_name", "model_id", "api_base", "api_provider")
_LATENCY = (
    *(*_CALLER[:4], "end_user", "user", "org_id", "org_alias", "requested_model", "model_group", "model", "model_id"),
    *("api_provider", "service_tier"),
)
_SPEND = (*_USER, "requested_model", "model", "model_id", "api_provider", "service_tier")

_OWN_FAULT = "5..|408|429|None"
"""Statuses that are not the client's fault: 429 is a limit of the provider as often as one of the proxy; None is an
exception without a status, such as a lost connection."""


class AvailabilityParameters(Parameters):
    """``litellm/availability``"""

    errors: Literal["all", "server"] = Field(
        default="all",
        description="`all`: whatever LiteLLM counts as failed; `server`: 5xx, 408, 429 and no status alone",
    )


class SpendParameters(Parameters):
    """``litellm/spend``"""

    budget: Money = Field(description="for the SLO window or the month; LiteLLM counts in USD")
    month: Month | None = Field(default=None, description="the time zone of the calendar month that the budget is for")


def _availability(parameters: AvailabilityParameters) -> EventsSli:
    # litellm_proxy_failed_requests_metric counts the same failures, but without a series beside it that a new one
    # could be told by.
    metric = "litellm_proxy_total_requests_metric_total"
    failed = Matcher("status_code", "!=", "200")
    if parameters.errors == "server":
        failed = Matcher("status_code", "=~", _OWN_FAULT)
    return EventsSli(parameters.select(metric), parameters.select(metric, failed), exporter_labels=_PROXY)


def _deployments(parameters: Parameters) -> EventsSli:
    # What the proxy refused before it chose a deployment is counted here too, with an empty model name.
    chosen = Matcher("litellm_model_name", "!=", "")
    return EventsSli(
        parameters.select("litellm_deployment_total_requests_total", chosen),
        good=parameters.select("litellm_deployment_success_responses_total", chosen),
        exporter_labels=_DEPLOYMENT,
    )


def _spend(parameters: SpendParameters) -> CostSli:
    # The counter of unpriced requests knows no teams and keys: it is not narrowed by `where`.
    return CostSli(
        parameters.select("litellm_spend_metric_total"),
        parameters.budget,
        parameters.month,
        unpriced=Selector("litellm_zero_cost_requests_total"),
        exporter_labels=_SPEND,
    )


_BY = ("team_alias", "api_key_alias", "requested_model", "api_provider")

TEMPLATES = (
    Template(
        "litellm/availability",
        "Requests to the proxy; good: the client got an answer, whatever was retried for it.",
        AvailabilityParameters,
        _availability,
        _BY,
        PAGE,
    ),
    Template(
        "litellm/deployment-availability",
        "Calls of the proxy to the deployments behind it, retries and fallbacks too; good: answered.",
        Parameters,
        _deployments,
        ("litellm_model_name", "api_provider", "api_base", "model_group"),
        PAGE,
    ),
    Template(
        "litellm/latency",
        "Requests that the proxy answered; good: within the threshold, from arrival to the last token.",
        LatencyParameters,
        within("litellm_request_total_latency_metric", BUCKETS, _LATENCY),
        (*_BY, "model"),
        PAGE,
    ),
    Template(
        "litellm/llm-latency",
        "Requests that the proxy answered; good: the model's API took no longer than the threshold.",
        LatencyParameters,
        within("litellm_llm_api_latency_metric", BUCKETS, _LATENCY),
        (*_BY, "model"),
        PAGE,
    ),
    Template(
        "litellm/time-to-first-token",
        "Streams that the proxy answered; good: the first token came within the threshold.",
        LatencyParameters,
        within("litellm_llm_api_time_to_first_token_metric", BUCKETS, _LATENCY),
        (*_BY, "model"),
        PAGE,
    ),
    Template(
        "litellm/spend",
        "Money that LiteLLM reckons for the calls, against a budget; tells when calls have no price.",
        SpendParameters,
        _spend,
        (*_BY, "model"),
        PAGE,
    ),
)
