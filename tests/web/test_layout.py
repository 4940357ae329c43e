"""What a person sees of the page in a real Chromium, at the width of a desk and of a phone, with long names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slo_engine.notifications import Evidence, Section, Topic
from tests.alerts.payloads import notification
from tests.web.layout import Tab, tab
from tests.web.site import PAGE, TICKET, Site, status

pytestmark = pytest.mark.stack

WIDTHS = [1280, 390]

LONG = {
    "agent_type": "customer_support_escalation_agent_for_enterprise_accounts_eu_west_1_blue",
    "tenant": "northwind-traders-international-holding",
}
HUGE = {"agent_type": "A" * 100_000}
TURNED = {"agent_type": "\u202e" + "gnorw " * 20 + "\u05e9\u05dc\u05d5\u05dd" * 30}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    site = Site(tmp_path_factory.mktemp("site"))
    rates = {"5m": 123456.7, "1h": 15.25, "6h": 8.125}
    shown = [status("a-rather-long-name-of-an-slo", group, burn=rates, firing=[PAGE, TICKET]) for group in (LONG, HUGE)]
    site.board.shown = [*shown, status(group=TURNED, left=-12.48, burn=rates, firing=[PAGE]), status(left=None)]
    for group in (LONG, HUGE, TURNED):
        payload = notification(labels={**group, "alertname": "W" * 5000}, group_key=str(group)[:80])
        sections = (Section("answer", "Q" * 5000), Section("related", "https://example.com/" + "r" * 5000))
        evidence = Evidence("2026-11-27T12:00:00+00:00", 0.5, (Topic("agents", "success", group, (), sections),))
        site.add(payload, time.time(), evidence=evidence, sinks=["s" * 90])
    with site.served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def boxes(browser: Tab, selector: str) -> list[dict[str, Any]]:
    """Where the elements stand, in CSS pixels of the whole page."""
    found: list[dict[str, Any]] = browser.value(
        f"[...document.querySelectorAll({selector!r})].map(each => each.getBoundingClientRect().toJSON())"
    )
    assert found, selector
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_alerts_are_in_sight_without_scrolling_sideways(url: str, browser: Tab, width: int) -> None:
    browser.open(url, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    badges = boxes(browser, "td.alerts .badge")
    assert len(badges) == 5
    assert all(each["left"] >= 0 and each["right"] <= width and each["width"] > 40 for each in badges)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_that_is_written_reaches_beyond_its_card_or_cell(url: str, browser: Tab, width: int) -> None:
    browser.open(url, width=width)
    for holder in ("article", "tbody td", "tbody th"):
        beyond = browser.value(
            f"[...document.querySelectorAll({holder!r})].flatMap(each => "
            "[...each.querySelectorAll('*')].filter(inner => inner.getBoundingClientRect().right > "
            "each.getBoundingClientRect().right + 1).map(inner => inner.outerHTML.slice(0, 100)))"
        )
        assert beyond == [], holder


def test_on_a_phone_each_cell_has_its_name_and_a_card_its_place_in_the_first_screens(url: str, browser: Tab) -> None:
    browser.open(url, width=390)
    rows = boxes(browser, "tbody tr")
    assert all(each["height"] < 400 for each in rows)
    names = browser.value(
        "[...document.querySelectorAll('tbody tr:first-child td')]"
        ".map(each => getComputedStyle(each, '::before').content)"
    )
    named = ("Alerts", "SLI now", "Error budget left", "30 days", "Burn rate", "Exhausts at", "Objective")
    assert names == [f'"{each}"' for each in named]


def test_the_page_follows_the_colours_that_the_system_asks_for(url: str, browser: Tab) -> None:
    def paper() -> str:
        return str(browser.value("getComputedStyle(document.body).backgroundColor"))

    browser.open(url, width=1280)
    light = paper()
    browser.open(url, width=1280, dark=True)
    assert (light, paper()) == ("rgb(255, 255, 255)", "rgb(21, 24, 27)")


def test_a_picture_is_as_wide_as_the_window(url: str, browser: Tab, tmp_path: Path) -> None:
    browser.open(url, width=390)
    browser.picture(tmp_path / "page.png", height=800)
    size = (tmp_path / "page.png").read_bytes()[16:24]
    assert (int.from_bytes(size[:4]), int.from_bytes(size[4:])) == (390, 800)
