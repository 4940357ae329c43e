"""The forms of a report: one HTML file, Markdown, a few lines, JSON; all say the same, whatever stands in names."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from slo_engine.charts import month as pictures
from slo_engine.definitions import Budget
from slo_engine.reports import Month, Report, as_html, as_markdown, summary
from slo_engine.reports.model import (
    Crossing,
    DayFigures,
    FoundCause,
    Incident,
    ModelSpend,
    Outcome,
    Spending,
    WorstDay,
)
from tests.e2e.browser import visit

MONTH = Month(2026, 11, ZoneInfo("Europe/Berlin"))
DAYS = tuple(date(2026, 11, number) for number in range(1, 31))
HOSTILE = "</svg><script>alert('1')</script> & \"q\" | **b** [l](http://x) `c`\u202e\n# heading"


def outcome(slo: str, *, met: bool | None = True, left: float | None = 0.5, **given: object) -> Outcome:
    days = tuple(DayFigures(day, 1440, 1440, 100, 1) for day in DAYS)
    made = Outcome(
        service="shop",
        slo=slo,
        description="",
        group={"agent_type": "chat"},
        objective=98.0,
        allowance=None,
        days=days,
        events=3000,
        errors=30,
        met=met,
        reason="" if met is not None else "there were no events",
        attained=0.99,
        budget_remaining=left,
        worst_day=WorstDay(DAYS[2], 10, 0.166),
        coverage=1.0,
        since=None,
    )
    return replace(made, **given)  # type: ignore[arg-type]


def money(slo: str, spent: float, allowance: float) -> Outcome:
    days = tuple(DayFigures(day, 1440, 1440, 0, spent / 30) for day in DAYS)
    return outcome(
        slo,
        left=1 - spent / allowance,
        objective=None,
        allowance=Budget(allowance, "EUR"),
        days=days,
        events=0.0,
        errors=spent,
        attained=None,
    )


def by_day(amount: float) -> Mapping[date, float]:
    return dict.fromkeys(DAYS, amount / 30)


def report(*outcomes: Outcome, **given: object) -> Report:
    made = Report(
        month=MONTH,
        made_at=datetime(2026, 12, 1, 6, tzinfo=UTC),
        until=MONTH.end,
        is_whole=True,
        outcomes=outcomes,
        spend=(),
        incidents=(),
        crossings=(),
        remarks=(),
    )
    return replace(made, **given)  # type: ignore[arg-type]


SPEND = money("spend", 90.0, 120.0)
FULL = report(
    outcome("met"),
    outcome("missed", met=False, left=-0.2, attained=0.976),
    outcome("part", coverage=0.62, since=DAYS[11]),
    outcome("idle", met=None, left=None, attained=None, worst_day=None, events=0.0, errors=0.0),
    SPEND,
    spend=(
        Spending(
            SPEND,
            (
                ModelSpend("chat", "claude-opus-4-1", 60.0, by_day(60)),
                ModelSpend("chat", "gpt-5-mini", 20.0, by_day(20)),
            ),
            is_exact=False,
        ),
    ),
    incidents=(
        Incident(
            title="Runs of chat fail",
            severity="page",
            began=datetime(2026, 11, 9, 8, 51, tzinfo=UTC).timestamp(),
            ended=datetime(2026, 11, 9, 13, 21, tzinfo=UTC).timestamp(),
            is_open=False,
            notifications=3,
            causes=(FoundCause("TimeoutError: crm_lookup", 1_794_000_000.0, 1_794_000_600.0),),
        ),
        Incident("Older", None, 1_793_700_000.0, None, False, None, ()),
    ),
    crossings=(Crossing(1_794_000_000.0, "shop", "spend", {"agent_type": "chat"}, "level", None),),
    remarks=("Recorded since 12 November only: shop part chat.",),
)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_verdict_stands_first_in_every_form() -> None:
    verdict = "3 of 5 objectives met, 1 of them over a part of the month; 1 missed, 1 not known"
    assert FULL.verdict == verdict
    assert as_markdown(FULL).splitlines()[2] == f"**{verdict}**"
    assert f'<p class="verdict">{verdict}</p>' in as_html(FULL)
    assert summary(FULL)[0] == f"November 2026: {verdict}."
    assert FULL.as_json()["objectives"] == {"met": 3, "missed": 1, "not_known": 1}


def test_running_month_is_so_far_in_every_form() -> None:
    running = replace(FULL, is_whole=False, until=datetime(2026, 11, 20, 10, 7, tzinfo=UTC))
    for text in (as_markdown(running), as_html(running)):
        assert "objectives met so far" in text
        assert "The month is not over: all figures are those up to 20 Nov 11:07." in text


def test_both_forms_say_the_same_of_each_objective_what_was_missed_first() -> None:
    html, markdown = _Page(as_html(FULL)).text, as_markdown(FULL)
    for said in ("97.60 %", "exhausted, overspent by 20.0 %", "3 Nov: 16.6 %", "62 %, since 12 Nov"):
        assert said in html
        assert said in markdown
    for text in (html, markdown):
        order = [text.index(f"shop {slo} chat") for slo in ("missed", "idle", "met", "part")]
        assert order == sorted(order)


def test_spend_is_told_by_model_with_what_is_not_known_by_model() -> None:
    rows = [
        line for line in as_markdown(FULL).splitlines() if line.startswith("|") and "EUR" in line and "left" not in line
    ]
    assert rows == [
        "| **shop spend chat** | 90.00 EUR | 75.0 % of 120.00 EUR |",
        "| claude-opus-4-1 in chat (about) | 60.00 EUR | 50.0 % |",
        "| gpt-5-mini in chat (about) | 20.00 EUR | 16.7 % |",
        "| not known by model (about) | 10.00 EUR | 8.3 % |",
    ]


def test_incidents_are_told_in_the_time_of_the_zone_with_their_causes() -> None:
    markdown = as_markdown(FULL)
    assert "2 incidents, the longest for 4h 30min: Runs of chat fail." in markdown
    assert "| 9 Nov 09:51 | 4h 30min | [page] Runs of chat fail | 3 | TimeoutError: crm_lookup (" in markdown
    assert "| end not known | Older | not kept | none noted |" in markdown


def test_store_that_was_not_read_is_not_told_as_no_incidents() -> None:
    unread = replace(FULL, incidents=None)
    assert "Incidents" not in as_markdown(unread)
    assert "<h2>Incidents</h2>" not in as_html(unread)
    assert unread.as_json()["incidents"] is None
    assert not any("incident" in line for line in summary(unread))
    none = replace(FULL, incidents=())
    assert "No incidents." in as_markdown(none)


def test_summary_is_a_few_lines() -> None:
    assert summary(FULL) == [
        f"November 2026: {FULL.verdict}.",
        "Missed: shop missed chat, 97.60 % of 98 %, budget exhausted, overspent by 20.0 %.",
        "Not known: shop idle chat, there were no events.",
        "Spent: shop spend chat, 90.00 EUR of 120.00 EUR (75.0 %).",
        "2 incidents, the longest for 4h 30min: Runs of chat fail.",
        "1 remark on what the figures do not see is in the report.",
    ]


def test_html_is_one_file_without_scripts_that_asks_for_nothing_else() -> None:
    page = _Page(as_html(FULL))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in page.tags:
        assert not {"src", "href", "srcset", "action", "background"} & attributes.keys(), tag
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"@import|url\(", as_html(FULL))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 4
    for _, attributes in page.tags:
        for each in (attributes.get("aria-labelledby") or "").split():
            assert each in ids


def test_nothing_in_a_name_becomes_more_than_text() -> None:
    hostile = replace(
        FULL,
        outcomes=(outcome(HOSTILE, description=HOSTILE), outcome("x", met=None, reason=HOSTILE)),
        spend=(Spending(SPEND, (ModelSpend(HOSTILE, HOSTILE, 60.0, by_day(60)),), is_exact=False),),
        incidents=(replace(FULL.incidents[0], title=HOSTILE, causes=(FoundCause(HOSTILE, 0.0, 0.0),)),)
        if FULL.incidents
        else None,
        crossings=(
            Crossing(0.0, HOSTILE, HOSTILE, {"a": HOSTILE}, HOSTILE, None),
            Crossing(0.0, "", "", {}, "", HOSTILE),
        ),
        remarks=(HOSTILE,),
    )
    page = _Page(as_html(hostile))
    assert "script" not in {tag for tag, _ in page.tags}
    assert "\u202e" not in page.text
    assert page.text.count("<script>alert('1')</script>") >= 8
    markdown = as_markdown(hostile)
    for line in markdown.splitlines():
        assert not line.startswith("# heading")
        assert not re.search(r"(?<!\\)<script", line)
        assert not re.search(r"(?<!\\)\]\(http", line)
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            assert cells in (9, 3, 5), line
    assert all("\n" not in line and "\u202e" not in line for line in summary(hostile))
    json.dumps(hostile.as_json(), allow_nan=False)


def test_every_form_has_all_of_an_empty_report() -> None:
    empty = report()
    assert empty.verdict == "0 of 0 objectives met"
    assert "There is no SLO." in as_html(empty)
    assert "There is no SLO." in as_markdown(empty)
    assert "Nothing: every objective was recorded" in as_markdown(empty)
    json.dumps(empty.as_json(), allow_nan=False)


def test_markdown_tables_have_as_many_cells_in_each_row() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", as_markdown(FULL), re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.stack
def test_browser_shows_it_without_a_complaint(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(as_html(replace(FULL, remarks=("<img src=x onerror=\"document.title='run'\">",))))
    seen = visit(file.as_uri(), tmp_path / "profile")
    assert seen.console == []
    assert "&lt;img src=x onerror=" in seen.dom
    assert seen.dom.count("<svg") == file.read_text().count("<svg") > 4


@pytest.mark.stack
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_page_is_no_wider_than_the_window(tmp_path: Path, width: int) -> None:
    """Measured by a script, which the page itself would not let run."""
    long = replace(FULL, outcomes=(*FULL.outcomes, outcome("a_name_without_any_space_" * 8)), remarks=("x" * 400,))
    script = "const all = document.documentElement; parent.document.title = all.scrollWidth - all.clientWidth"
    allowed = as_html(long).replace("default-src 'none'; style-src 'unsafe-inline'", "")
    measured = escape(allowed.replace("</body>", f"<script>{script}</script></body>"))
    (tmp_path / "frame.html").write_text(f'<iframe width="{width}" style="border:0" srcdoc="{measured}"></iframe>')
    assert "<title>0</title>" in visit((tmp_path / "frame.html").as_uri(), tmp_path / "profile").dom


def shapes(svg: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter())


def lines(svg: str) -> list[list[tuple[float, float]]]:
    found = [each.get("points", "") for each in shapes(svg) if each.get("class") == "line"]
    return [[tuple(map(float, point.split(","))) for point in each.split()] for each in found]  # type: ignore[misc]


def test_line_of_a_budget_is_broken_where_nothing_is_recorded() -> None:
    days = [
        pictures.BudgetDay(day, None if 9 < number < 13 else 1 - number / 60, 0.0 if 9 < number < 13 else 1.0)
        for number, day in enumerate(DAYS)
    ]
    svg = pictures.budget("shop runs", days, 30, "met")
    first, second = lines(svg)
    assert first[-1][0] < second[0][0]
    assert first[-1][1] == second[0][1], "what was left before the gap"
    assert len([each for each in shapes(svg) if each.get("class") == "band"]) == 3


def test_overspent_budget_goes_below_the_line_and_never_out_of_the_picture() -> None:
    for worst in (-0.3, -5.0, -1e9):
        days = [pictures.BudgetDay(day, 1 + (worst - 1) * (number + 1) / 30) for number, day in enumerate(DAYS)]
        (points,) = lines(pictures.budget("shop runs", days, 30, "missed"))
        assert all(0 <= x <= pictures.WIDTH and 0 <= y <= pictures.HEIGHT for x, y in points)
        assert points[-1][1] > points[0][1]


def test_bars_of_a_day_add_up_to_its_spend() -> None:
    models = {"a": [30.0] * 30, "b": [10.0] * 30, "none": [0.0] * 30}
    svg = pictures.spend("spend", "EUR", DAYS, 30, models)
    bars = [
        each for each in shapes(svg) if each.tag.endswith("rect") and each.get("x") and float(each.get("y", 0)) < 185
    ]
    first = [each for each in bars if each.get("x") == bars[0].get("x")]
    heights = sorted(float(each.get("height", 0)) for each in first)
    assert len(heights) == 2
    assert heights[1] == pytest.approx(3 * heights[0], rel=0.01)
    assert "a: 900.00 EUR; b: 300.00 EUR" in svg


def test_more_models_than_colours_are_added_up() -> None:
    models = {f"m{number}": [float(number + 1)] * 30 for number in range(9)}
    svg = pictures.spend("spend", "EUR", DAYS, 30, models)
    assert "others: 300.00 EUR" in svg
    assert ">m8<" in svg
    assert ">m0<" not in svg
