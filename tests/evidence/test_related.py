"""Related: what else burns while an alert fires."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from slo_engine.definitions import load
from slo_engine.evidence import Backends, Subject
from slo_engine.evidence.sources.related import Related
from slo_engine.notifications import Section
from slo_engine.status.model import Firing, SloStatus

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
PAGE = Firing("SLOErrorBudgetBurn", "page", "1h", "5m")


class Statuses:
    def __init__(self, *statuses: SloStatus) -> None:
        self._statuses = statuses

    async def statuses(self) -> Sequence[SloStatus]:
        return self._statuses


def status(slo: str, rates: Mapping[str, float], *firing: Firing, service: str = "agents", **group: str) -> SloStatus:
    return SloStatus(
        service=service,
        slo=slo,
        group=group,
        objective=98.0,
        window="30d",
        budget=None,
        error_ratio={},
        burn_rate=rates,
        error_budget_remaining=0.5,
        measured_over="30d",
        data_over=None,
        is_window_full=True,
        events=None,
        exhausted_at=None,
        firing=firing,
        unpriced_models=(),
        evaluated_at=NOW,
    )


OWN = status("success", {"1h": 20.0}, PAGE, agent_type="support_agent")


def said(*statuses: SloStatus) -> Section | None:
    slo = SLOS.find("agents", "success")
    assert slo is not None
    group = {"agent_type": "support_agent"}
    about = Subject(slo, group, NOW - timedelta(hours=1), NOW, None, slo.sli.explained_by, ("f",))
    source = Related(Backends(Statuses(*statuses)))
    assert source.wants(about)
    return asyncio.run(source.gather(about, time.monotonic() + 5))


def test_what_burns_as_well_is_named_with_its_burn_rate() -> None:
    section = said(OWN, status("tool-calls", {"5m": 40.0, "1h": 12.0}, PAGE, tool_name="crm_lookup"))
    assert section is not None
    assert section.text == "Also burning: agents/tool-calls crm_lookup (12x over 1h)."
    assert section.data is not None
    assert (section.data["burning"], section.data["others"]) == (1, 1)
    assert section.data["slos"][0]["firing"] == ["page 1h"]


def test_an_alert_alone_or_a_budget_that_is_spent_as_planned_is_not_burning() -> None:
    quiet = Firing("SLODataAbsent", "ticket", "", "")
    assert said(OWN) is None
    assert said() is None
    assert said(OWN, status("latency", {"1h": 1.9}), status("tool-calls", {"1h": 0.9}, quiet)) is None


def test_from_its_budget_on_an_slo_with_an_alert_burns_and_from_twice_that_without() -> None:
    assert said(OWN, status("latency", {"1h": 1.0}, PAGE)) is not None
    assert said(OWN, status("latency", {"1h": 2.0})) is not None


def test_the_same_slo_burns_for_another_group_but_is_not_beside_itself() -> None:
    section = said(OWN, status("success", {"1h": 3.0}, agent_type="batch_agent"))
    assert section is not None
    assert section.text == "Also burning: agents/success batch_agent (3x over 1h)."


def test_a_long_window_says_nothing_of_now_unless_its_alert_fires() -> None:
    assert said(OWN, status("latency", {"30d": 5.0, "3d": 5.0, "5m": 9.0})) is None
    ticket = Firing("SLOErrorBudgetBurn", "ticket", "3d", "6h")
    section = said(OWN, status("latency", {"30d": 5.0, "3d": 4.0}, ticket), status("spend", {"month": 9.0}))
    assert section is not None
    assert section.text == "Also burning: agents/latency (4x over 3d)."


def test_the_own_service_and_what_shares_a_label_come_before_the_fastest_and_five_are_named() -> None:
    far = [status(f"far-{number}", {"1h": 50.0 + number}, service="elsewhere") for number in range(5)]
    same_agent = status("crm", {"1h": 2.0}, service="crm", caller="support_agent")
    same_service = status("latency", {"1h": 4.0}, agent_type="batch_agent")
    section = said(OWN, *far, same_agent, same_service)
    assert section is not None
    assert section.text == (
        "Also burning: agents/latency batch_agent (4x over 1h), crm/crm support_agent (2x over 1h), "
        "elsewhere/far-4 (54x over 1h), elsewhere/far-3 (53x over 1h), elsewhere/far-2 (52x over 1h), and 2 more."
    )


def test_an_empty_label_is_nothing_to_share() -> None:
    slo = SLOS.find("agents", "success")
    assert slo is not None
    empty = {"agent_type": ""}
    about = Subject(slo, empty, NOW - timedelta(hours=1), NOW, None, None, ())
    others = [status("x", {"1h": 9.0}, service="b", team="y"), status("x", {"1h": 3.0}, service="c", team="")]
    section = asyncio.run(Related(Backends(Statuses(*others))).gather(about, time.monotonic() + 5))
    assert section is not None
    assert section.text.startswith("Also burning: b/x y")
