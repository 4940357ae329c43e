"""The plain alerts of slos/agents.yaml: each fires just above what it says, and is silent just below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from slo_engine.definitions import SloSet, load
from tests.rules.histories import counter, steady
from tests.rules.promtool import Expectation, labelled, near, nothing, replay

PLAIN = SloSet(thresholds=load([Path(__file__).parents[2] / "slos" / "agents.yaml"]).thresholds)


def _series(metric: str, **labels: str) -> str:
    return metric + "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


def _runs(agent_type: str, instance: str, minutes: int, **each_minute: float) -> dict[str, str]:
    return {
        _series("agent_requests_total", agent_type=agent_type, instance=instance, status=status): counter(
            (minutes, growth)
        )
        for status, growth in each_minute.items()
    }


def _durations(agent_type: str, instance: str, within: Mapping[str, float]) -> dict[str, str]:
    """Ten minutes of runs: upper bound -> how many a minute take at most that long."""
    return {
        _series("agent_request_duration_seconds_bucket", agent_type=agent_type, instance=instance, le=le): counter(
            (60, growth)
        )
        for le, growth in within.items()
    }


def _fires(at: str, alert: str, severity: str, *groups: Mapping[str, str]) -> Expectation:
    """The alert fires for these groups, and for no other."""
    labels = {"alertname": alert, "alertstate": "firing", "severity": severity, "slo_service": "agents"}
    return labelled(
        at, f'ALERTS{{alertname="{alert}",alertstate="firing"}} > bool 0', *({**labels, **group} for group in groups)
    )


@pytest.mark.parametrize(
    ("alert", "severity", "percent", "held"),
    [("AgentHighErrorRate", "warning", 5, 5), ("AgentCriticalErrorRate", "critical", 15, 2)],
)
def test_error_rate_is_that_of_the_agent_over_all_its_instances(
    tmp_path: Path, alert: str, severity: str, percent: float, held: int
) -> None:
    above, below = percent + 1, percent - 1
    series = {
        # All errors on one of two instances; of two kinds, neither of which is enough alone.
        **_runs("above", "a", 60, success=100),
        **_runs("above", "b", 60, success=100 - 2 * above, error=above, timeout=above),
        **_runs("below", "a", 60, success=100),
        **_runs("below", "b", 60, success=100 - 2 * below, error=2 * below),
        **_runs("clean", "a", 60, success=100),
        **_runs("idle", "a", 60, success=0, error=0),
    }
    replay(
        tmp_path,
        PLAIN,
        series,
        _fires("1h", alert, severity, {"agent_type": "above"}),
        nothing("1h", f'count_over_time(ALERTS{{alertname="{alert}",agent_type!="above"}}[1h])'),
        # Held for a while, so that one bad scrape wakes nobody.
        near(
            "1h", f'min_over_time(timestamp(ALERTS{{alertname="{alert}",alertstate="firing"}})[1h:1m])', 60 + held * 60
        ),
    )


def test_latency_is_the_95th_percentile_of_the_agent_over_all_its_instances(tmp_path: Path) -> None:
    def some_slow(fast: float, slow: float) -> dict[str, float]:
        return {"10": fast, "30": fast, "60": fast + slow, "+Inf": fast + slow}

    series = {
        # 6 % and 4 % of all runs take over 30 s, nearly all of them on the instance that gets a tenth of the runs.
        **_durations("above", "a", some_slow(89, 1)),
        **_durations("above", "b", some_slow(5, 5)),
        **_durations("below", "a", some_slow(90, 0)),
        **_durations("below", "b", some_slow(6, 4)),
        **_durations("edge", "a", {"10": 0, "30": 96, "60": 100, "+Inf": 100}),
        **_durations("hangs", "a", {"10": 0, "30": 0, "60": 0, "+Inf": 100}),
        **_durations("idle", "a", some_slow(0, 0)),
    }
    replay(
        tmp_path,
        PLAIN,
        series,
        _fires("1h", "AgentHighLatency", "warning", {"agent_type": "above"}, {"agent_type": "hangs"}),
        nothing("1h", 'count_over_time(ALERTS{agent_type!~"above|hangs"}[1h])'),
    )


def test_spend_is_summed_over_models_and_instances(tmp_path: Path) -> None:
    series = {
        _series("llm_cost_usd_total", agent_type=agent, model=model, instance=instance): counter(
            (120, an_hour / 4 / 60)
        )
        for agent, an_hour in {"above": 10.4, "below": 9.6, "idle": 0}.items()
        for model in ("large", "small")
        for instance in ("a", "b")
    }
    replay(
        tmp_path,
        PLAIN,
        series,
        _fires("2h", "AgentHighSpend", "warning", {"agent_type": "above"}),
        nothing("2h", 'count_over_time(ALERTS{agent_type!="above"}[2h])'),
    )


def test_spend_of_an_hour_is_forgotten_after_it(tmp_path: Path) -> None:
    series = {'llm_cost_usd_total{agent_type="chat",model="large"}': counter((60, 0.5), (90, 0))}
    replay(
        tmp_path,
        PLAIN,
        series,
        _fires("1h", "AgentHighSpend", "warning", {"agent_type": "chat"}),
        nothing("2h30m", "ALERTS"),
    )


def test_cost_of_a_run_is_the_mean_of_the_last_half_hour(tmp_path: Path) -> None:
    def runs_and_cost(agent: str, *stretches: tuple[int, float, float]) -> dict[str, str]:
        """So many minutes, runs a minute on each of two instances, USD a run in all."""
        found = {}
        for instance in ("a", "b"):
            labels = {"agent_type": agent, "instance": instance}
            found[_series("agent_requests_total", **labels, status="success")] = counter(
                *((minutes, runs) for minutes, runs, _ in stretches)
            )
            for model in ("large", "small"):
                found[_series("llm_cost_usd_total", **labels, model=model)] = counter(
                    *((minutes, runs * usd / 2) for minutes, runs, usd in stretches)
                )
        return found

    series = {
        **runs_and_cost("dearer", (300, 10, 0.2), (35, 0.4, 1.05)),
        **runs_and_cost("cheaper", (300, 10, 2), (35, 0.4, 0.95)),
        **runs_and_cost("idle", (335, 0, 0)),
        # Money without a run that ended: no mean, and above all no infinite one.
        _series("llm_cost_usd_total", agent_type="unfinished", model="large"): counter((335, 0.01)),
        _series("agent_requests_total", agent_type="unfinished", status="success"): counter((335, 0)),
    }
    replay(
        tmp_path,
        PLAIN,
        series,
        _fires("5h", "AgentHighCostPerRequest", "warning", {"agent_type": "cheaper"}),
        _fires("5h35m", "AgentHighCostPerRequest", "warning", {"agent_type": "dearer"}),
        nothing("5h35m", 'count_over_time(ALERTS{agent_type=~"idle|unfinished"}[6h])'),
    )


def test_open_circuit_breaker_shows_beside_a_half_open_one(tmp_path: Path) -> None:
    closed, is_open, half_open = 0, 1, 2
    states = {"search": (is_open, half_open, closed), "crm": (closed, half_open), "mail": (closed, closed)}
    series = {
        _series("agent_circuit_breaker_state", service_name=service, instance=str(number)): steady(state, 30)
        for service, instances in states.items()
        for number, state in enumerate(instances)
    }
    replay(
        tmp_path,
        PLAIN,
        series,
        nothing("0m", 'ALERTS{alertstate="firing"}'),
        _fires("10m", "AgentCircuitBreakerOpen", "warning", {"service_name": "search"}),
        nothing("30m", 'count_over_time(ALERTS{service_name!="search"}[30m])'),
    )


def test_every_plain_alert_has_a_test_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert PLAIN.thresholds
    for threshold in PLAIN.thresholds:
        assert f'"{threshold.alert}"' in here
