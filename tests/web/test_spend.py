"""Who spends: by service, agent and model, and what that comes to by the end of the month, from a real Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.connect import Connection
from slo_engine.prometheus import Prometheus
from slo_engine.web.pages import spend
from slo_engine.web.pages.spend import By, spenders
from tests.rules.backfilled import backfill
from tests.web.site import Site

pytestmark = pytest.mark.stack

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
AT = datetime(2026, 11, 11, tzinfo=UTC)
A_DAY: dict[tuple[str, ...], float] = {
    ("shop", "support", "gpt"): 24.0,
    ("shop", "support", "claude"): 12.0,
    ("shop", "research", "claude"): 6.0,
    ("lab", "research", "claude"): 3.0,
}
"""US dollars, by job, agent and model."""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    # From before the first: the counters were not at zero then.
    times = range(int((FIRST - timedelta(days=2)).timestamp()), int(AT.timestamp()) + 1, 900)
    backfill(
        folder,
        {
            f'llm_cost_usd_total{{job="{job}",agent_type="{agent}",model="{model}"}}': {
                at: (at - times[0]) / 86_400 * rate for at in times
            }
            for (job, agent, model), rate in A_DAY.items()
        },
    )
    with RealPrometheus(folder) as server, closing(Prometheus(Connection(server.url))) as opened:
        yield opened


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("service", {("shop", None, None): 42.0, ("lab", None, None): 3.0}),
        ("agent", {(None, "support", None): 36.0, (None, "research", None): 9.0}),
        ("model", {(None, None, "gpt"): 24.0, (None, None, "claude"): 21.0}),
        ("all", A_DAY),
    ],
)
def test_spent_and_forecast_are_sums_of_what_each_spends(
    tmp_path: Path, door: Prometheus, by: By, expected: dict[tuple[str | None, ...], float]
) -> None:
    site = Site(tmp_path, prometheus_door=door)
    found = spenders(site.app.state.services, AT, by)
    assert found.failure is None
    assert [(each.service, each.agent, each.model) for each in found.spenders] == list(expected)
    for each, rate in zip(found.spenders, expected.values(), strict=True):
        assert each.spent == pytest.approx(rate * 10, rel=0.001)
        assert each.share == pytest.approx(rate / 45)
        assert each.forecast == pytest.approx(rate * 30, rel=0.001)  # ten days, and twenty at the rate of the last


def test_the_page_and_its_json_show_them_by_what_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: object, at: datetime) -> spend._Asked:
        return spend._Asked({key: rate * 10 for key, rate in A_DAY.items()}, A_DAY, "the query", None)

    monkeypatch.setattr(spend, "_ask", asked)
    site = Site(tmp_path)
    assert site.ask("GET", "/api/v1/spend?by=owner").status_code == 422
    answer = site.ask("GET", "/api/v1/spend?by=model").json()
    assert [(each["model"], each["agent"], each["spent"]) for each in answer["spenders"]] == [
        ("gpt", None, 240.0),
        ("claude", None, 210.0),
    ]
    page = site.ask("GET", "/spend?by=agent").text
    table = " ".join(unescape(re.sub(r"<[^>]*>", " ", page[page.index("Who spends") :])).split())
    assert "Agent Spent Share By the end of the month support 360.00 USD" in table
    assert "From the query" in table
    every = site.ask("GET", "/spend").text
    assert all(name in every for key in A_DAY for name in key)
