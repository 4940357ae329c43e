"""The agents themselves, from the metrics of `slo_engine.monitoring`: the runs, what they cost, and why they fail.

A share is a ratio of sums, and its divisor is above 0: nothing is a mean of ratios, or 0/0.
"""

from __future__ import annotations

from slo_engine.dashboards.model import Dashboard, Heatmap, Lines, Query, Row, States, Variable

_AGENT = 'job=~"$job",agent_type=~"$agent_type"'
_MODEL = 'job=~"$job",model=~"$model"'
_SPEND = f'{_AGENT},model=~"$model"'
_TOOL = 'job=~"$job",tool_name=~"$tool_name"'

_GOOD_FROM_ABOVE = ((None, "red"), (95, "orange"), (99, "green"))
_SECONDS = "s"
_PERCENT = "percent"
_MONEY = "currencyUSD"


def _variable(name: str, label: str, metric: str) -> Variable:
    return Variable(name, label, f"label_values({metric}, {name})", all_value=".+", multi=True)


def _quantile(quantile: str, histogram: str, by: str, matchers: str) -> str:
    # Without observations a quantile is NaN, which no comparison lets through.
    rates = f"sum by ({by}, le) (rate({histogram}_bucket{{{matchers}}}[$__rate_interval]))"
    return f"histogram_quantile({quantile}, {rates}) >= 0"


def _share(part: str, counter: str, by: str, matchers: str) -> str:
    return (
        f"100 * sum by ({by}) (rate({counter}{{{matchers},{part}}}[$__rate_interval]))\n"
        f"  / (sum by ({by}) (rate({counter}{{{matchers}}}[$__rate_interval])) > 0)"
    )


def _mean(histogram: str, by: str, matchers: str) -> str:
    return (
        f"sum by ({by}) (rate({histogram}_sum{{{matchers}}}[$__rate_interval]))\n"
        f"  / (sum by ({by}) (rate({histogram}_count{{{matchers}}}[$__rate_interval])) > 0)"
    )


_OVERVIEW = Row(
    1,
    "Runs",
    (
        Lines(
            id=2,
            title="Request rate",
            description="Agent runs that ended, each second.",
            queries=(
                Query(
                    f"sum by (agent_type) (rate(agent_requests_total{{{_AGENT}}}[$__rate_interval]))",
                    "{{agent_type}}",
                ),
            ),
            unit="reqps",
        ),
        Lines(
            id=3,
            title="Latency",
            description="Half of the runs take no longer than p50, 95 of 100 no longer than p95. A run that is longer "
            "than the last bucket counts as long as that.",
            queries=tuple(
                Query(
                    _quantile(quantile, "agent_request_duration_seconds", "agent_type", _AGENT),
                    f"{{{{agent_type}}}} {name}",
                )
                for quantile, name in (("0.5", "p50"), ("0.95", "p95"))
            ),
            unit=_SECONDS,
        ),
        Lines(
            id=4,
            title="Error rate",
            description="Of 100 runs, those that did not end with success: errors, timeouts, cancelled ones and exits.",
            queries=(
                Query(_share('status!="success"', "agent_requests_total", "agent_type", _AGENT), "{{agent_type}}"),
            ),
            unit=_PERCENT,
            thresholds=((None, "green"), (5, "orange"), (15, "red")),
            show_thresholds=True,
        ),
        Lines(
            id=5,
            title="Hourly spend",
            description="Money spent on model calls within the hour before. Calls of unknown cost are missing: see "
            "calls of unknown cost.",
            queries=(Query(f"sum by (agent_type) (increase(llm_cost_usd_total{{{_SPEND}}}[1h]))", "{{agent_type}}"),),
            unit=_MONEY,
        ),
        Lines(
            id=6,
            title="Tokens by model",
            description="Tokens each second. Cached tokens are a part of the input, and reasoning is one of the "
            "output, so they are not added to them.",
            queries=(
                Query(
                    "sum by (model, token_type) "
                    f'(rate(llm_tokens_used_total{{{_MODEL},token_type=~"input|output"}}[$__rate_interval]))',
                    "{{model}} {{token_type}}",
                ),
            ),
            stacked=True,
        ),
        Lines(
            id=7,
            title="Tool success",
            description="Of 100 tool calls, those that succeeded.",
            queries=(Query(_share('status="success"', "agent_tool_calls_total", "tool_name", _TOOL), "{{tool_name}}"),),
            unit=_PERCENT,
            thresholds=_GOOD_FROM_ABOVE,
            show_thresholds=True,
            least=None,
            most=100,
        ),
    ),
)

_CAUSES = Row(
    8,
    "From a number to a trace: the dots are exemplars, and lead to traces",
    (
        Lines(
            id=9,
            title="Errors by category",
            description="Agent errors each second, by why. A dot is a failing run.",
            queries=(
                Query(
                    f"sum by (agent_type, error_category) (rate(agent_errors_total{{{_AGENT}}}[$__rate_interval])) > 0",
                    "{{agent_type}} {{error_category}}",
                    exemplars=True,
                ),
            ),
            nothing="no errors",
        ),
        Heatmap(
            id=10,
            title="How long runs take",
            description="Runs by how long they took. A dot is one of them.",
            queries=(
                Query(
                    f"sum by (le) (increase(agent_request_duration_seconds_bucket{{{_AGENT}}}[$__rate_interval]))",
                    "{{le}}",
                    exemplars=True,
                ),
            ),
            unit=_SECONDS,
        ),
        Lines(
            id=11,
            title="Failing tool calls",
            description="Tool calls each second that did not succeed. A dot is one of them.",
            queries=(
                Query(
                    "sum by (tool_name, status) "
                    f'(rate(agent_tool_calls_total{{{_TOOL},status!="success"}}[$__rate_interval])) > 0',
                    "{{tool_name}} {{status}}",
                    exemplars=True,
                ),
            ),
            nothing="no tool call failed",
        ),
    ),
)

_MODELS = Row(
    12,
    "Models",
    (
        Lines(
            id=13,
            title="Time to first token",
            description="How long streams let one wait. Calls that are not streamed have none.",
            queries=tuple(
                Query(_quantile(quantile, "llm_time_to_first_token_seconds", "model", _MODEL), f"{{{{model}}}} {name}")
                for quantile, name in (("0.5", "p50"), ("0.95", "p95"))
            ),
            unit=_SECONDS,
            nothing="no streamed calls",
        ),
        Lines(
            id=14,
            title="Model calls: p95",
            description="95 of 100 calls of a model take no longer.",
            queries=(Query(_quantile("0.95", "llm_call_duration_seconds", "model", _MODEL), "{{model}}"),),
            unit=_SECONDS,
        ),
        Lines(
            id=15,
            title="Model calls",
            description="Calls each second.",
            queries=(
                Query(
                    f"sum by (model, call_type) (rate(llm_api_calls_total{{{_MODEL}}}[$__rate_interval]))",
                    "{{model}} {{call_type}}",
                ),
            ),
            unit="reqps",
        ),
        Lines(
            id=16,
            title="Hourly spend by model",
            description="Money spent on the calls of a model within the hour before.",
            queries=(Query(f"sum by (model) (increase(llm_cost_usd_total{{{_SPEND}}}[1h]))", "{{model}}"),),
            unit=_MONEY,
            stacked=True,
        ),
        Lines(
            id=17,
            title="Cost of a run",
            description="What was spent within the hour before, divided by the runs that ended in it.",
            queries=(
                Query(
                    f"sum by (agent_type) (increase(llm_cost_usd_total{{{_AGENT}}}[1h]))\n"
                    f"  / (sum by (agent_type) (increase(agent_requests_total{{{_AGENT}}}[1h])) > 0)",
                    "{{agent_type}}",
                ),
            ),
            unit=_MONEY,
            decimals=4,
        ),
        Lines(
            id=18,
            title="Calls of unknown cost",
            description="Calls within the hour before that have no price or told no tokens: what they cost is in no "
            "panel here.",
            queries=(Query(f"sum by (model) (increase(llm_unpriced_calls_total{{{_MODEL}}}[1h]))", "{{model}}"),),
            thresholds=((None, "green"), (1, "orange")),
        ),
    ),
)

_STATE = Row(
    19,
    "State and quality",
    (
        Lines(
            id=20,
            title="Active runs",
            description="Runs going on. A line that only rises is of runs that never end.",
            queries=(Query(f"sum by (agent_type) (active_agent_runs{{{_AGENT}}})", "{{agent_type}}"),),
        ),
        States(
            id=21,
            title="Circuit breakers",
            description="Open where it is open on any instance.",
            queries=(
                Query(
                    # Half open is 2: a maximum alone would hide a breaker that is open elsewhere.
                    'max by (service_name) (agent_circuit_breaker_state{job=~"$job"} == 1)\n'
                    '  or max by (service_name) (agent_circuit_breaker_state{job=~"$job"})',
                    "{{service_name}}",
                ),
            ),
            text={0: ("closed", "green"), 1: ("open", "red"), 2: ("half open", "orange")},
            nothing="no circuit breaker",
        ),
        Lines(
            id=22,
            title="Scores",
            description="The mean of the scores, and the one below which 10 of 100 are.",
            queries=(
                Query(_mean("agent_score", "agent_type, score_name", _AGENT), "{{agent_type}} {{score_name}} mean"),
                Query(
                    _quantile("0.1", "agent_score", "agent_type, score_name", _AGENT),
                    "{{agent_type}} {{score_name}} p10",
                ),
            ),
            nothing="no scores",
        ),
        Lines(
            id=23,
            title="Tool calls in a run",
            description="The mean number. It rises when an agent runs in a loop.",
            queries=(Query(_mean("agent_tool_call_count", "agent_type", _AGENT), "{{agent_type}}"),),
        ),
        Lines(
            id=24,
            title="Model calls in a run",
            description="Calls of all models each second, divided by the runs of all agents. It rises when an agent "
            "runs in a loop.",
            queries=(
                Query(
                    'sum(rate(llm_api_calls_total{job=~"$job"}[$__rate_interval]))\n'
                    '  / (sum(rate(agent_requests_total{job=~"$job"}[$__rate_interval])) > 0)',
                    "all agents",
                ),
            ),
        ),
        Lines(
            id=25,
            title="What the monitoring could not record",
            description="Within the hour before. trace: LangFuse lacks them, and the metrics do not. Everything else "
            "is missing in the metrics themselves.",
            queries=(
                Query('sum by (reason) (increase(agent_monitoring_dropped_total{job=~"$job"}[1h]))', "{{reason}}"),
            ),
        ),
    ),
)

AGENTS = Dashboard(
    uid="slo-engine-agents",
    title="AI agents",
    description="Runs, errors, spend, models and tools of the agents that use slo_engine.monitoring.",
    variables=(
        _variable("job", "Job", "agent_requests_total"),
        _variable("agent_type", "Agent", "agent_requests_total"),
        _variable("model", "Model", "llm_api_calls_total"),
        _variable("tool_name", "Tool", "agent_tool_calls_total"),
    ),
    rows=(_OVERVIEW, _CAUSES, _MODELS, _STATE),
    # An alert of which this is no label concerns all agents.
    alerts='ALERTS{alertstate="firing",agent_type=~"$agent_type|"}',
)
