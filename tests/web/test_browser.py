"""What a person does with the pages in a real browser: look, filter, write a note, send a dead letter again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from slo_engine.store import deliveries, messages
from tests.alerts.payloads import notification
from tests.web.sample import sample
from tests.web.site import Site, status
from tests.web.visitor import Visitor, chromium

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=40)]

TOKEN = "a token of the pages"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return sample(tmp_path_factory.mktemp("site"), TOKEN)


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with site.served() as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@contextmanager
def visiting(browser: Browser, url: str, *, width: int = 1280, dark: bool = False) -> Iterator[Visitor]:
    """Somebody who has logged in."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", timezone_id="Asia/Tokyo"
    )
    visitor = Visitor(context.new_page(), url)
    visitor.open("/")
    visitor.page.get_by_label("Token").fill(TOKEN)
    visitor.page.get_by_role("button", name="Log in").click()
    visitor.page.wait_for_url(f"{url}/")
    yield visitor
    assert (visitor.console, visitor.foreign) == ([], [])
    context.close()


@pytest.fixture
def visitor(browser: Browser, url: str) -> Iterator[Visitor]:
    with visiting(browser, url) as found:
        yield found


def paths(site: Site) -> list[str]:
    key = site.database.read(lambda found: messages.newest_heads(found, 50))[-1].key
    slo = "/slos/agents/success"
    group = f"{slo}?label=agent_type%3Dsupport_agent"
    page = f"/incidents/{key}"
    return ["/", slo, group, page, "/spend", "/deliveries", "/lab", "/lab?policy=agent&events=60", "/incidents"]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_every_page_is_without_faults(browser: Browser, site: Site, url: str, width: int, dark: bool) -> None:
    with visiting(browser, url, width=width, dark=dark) as visitor:
        for path in paths(site):
            visitor.open(path)
            assert visitor.faults() == [], path
            assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert visitor.page.locator("h1").count() == 1, path


def test_the_login_page_is_without_faults(browser: Browser, url: str) -> None:
    visitor = Visitor(browser.new_page(), url)
    visitor.open("/spend")
    assert visitor.page.url.endswith("/login?next=%2Fspend")
    assert visitor.faults() == []
    visitor.page.get_by_label("Token").fill("a guess")
    visitor.page.get_by_role("button", name="Log in").click()
    expect(visitor.page.get_by_role("alert")).to_have_text("This is not the token.")
    visitor.page.close()


def test_what_one_types_is_found_at_once_and_stands_in_the_address(visitor: Visitor) -> None:
    page = visitor.page
    rows = page.locator("table.budgets tbody tr")
    expect(rows).to_have_count(5)
    page.get_by_role("searchbox").press_sequentially("research")
    expect(rows).to_have_count(1)
    assert page.url.endswith("/?q=research")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_value("research")
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    expect(rows).to_have_count(5)
    page.get_by_label("State").select_option("exhausted")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("overspent by 20.0 %")


def test_a_page_that_is_open_shows_what_is_new(visitor: Visitor, site: Site) -> None:
    page = visitor.page
    page.clock.install()
    visitor.open("/")
    before = site.board.shown
    try:
        site.board.shown = [*before, status("brand-new", left=0.5)]
        page.clock.fast_forward(16_000)
        expect(page.get_by_text("brand-new")).to_be_visible()
    finally:
        site.board.shown = before


def test_a_note_is_kept_with_who_wrote_it(visitor: Visitor, site: Site) -> None:
    page = visitor.page
    visitor.open(paths(site)[3])
    page.get_by_label("Note").fill("the proxy was full")
    page.get_by_label(re.compile("what caused it")).check()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("article.note")).to_contain_text("Caused by: the proxy was full")
    expect(page.locator("article.note")).to_contain_text("somebody with the token")


def test_a_note_is_not_lost_where_the_session_ends_while_it_is_written(visitor: Visitor, site: Site) -> None:
    page, path = visitor.page, paths(site)[3]
    visitor.open(path)
    page.get_by_label("Note").fill("written for an hour")
    page.get_by_label(re.compile("what caused it")).check()
    page.context.clear_cookies()
    page.get_by_role("button", name="Add").click()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{visitor.url}{path}")
    expect(page.get_by_label("Note")).to_have_value("written for an hour")
    expect(page.get_by_label(re.compile("what caused it"))).to_be_checked()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("article.note", has_text="Caused by: written for an hour")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("")
    page.reload()
    expect(page.get_by_label("Note")).to_have_value("")


def test_a_note_to_an_incident_that_is_open_by_another_of_its_messages_is_not_kept_either(
    visitor: Visitor, site: Site
) -> None:
    page, path = visitor.page, paths(site)[3]
    first = path.rpartition("/")[2]
    heads = site.database.read(lambda found: messages.newest_heads(found, 50))
    thread = next(each.thread for each in heads if each.key == first)
    labels = {"slo_service": "agents", "slo": "success", "agent_type": "support_agent"}
    site.add(notification(labels=labels), time.time())
    newest = max(
        (each for each in site.database.read(lambda found: messages.newest_heads(found, 50))), key=lambda e: e.id
    )
    assert newest.thread == thread
    visitor.open(f"/incidents/{newest.key}")
    page.get_by_label("Note").fill("by another key")
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(f"{visitor.url}{path}")
    expect(page.locator("main")).to_contain_text("by another key")
    visitor.open(f"/incidents/{newest.key}")
    expect(page.get_by_label("Note")).to_have_value("")


def test_what_was_being_written_is_not_shown_to_who_logs_in_next(visitor: Visitor, site: Site) -> None:
    page, path = visitor.page, paths(site)[3]
    visitor.open(path)
    page.get_by_label("Note").fill("not for everybody")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    visitor.open(path)
    expect(page.get_by_label("Note")).to_have_value("")


def test_incidents_are_found_by_what_one_types_and_chooses(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/incidents")
    lines = page.locator("main .incident-line")
    expect(lines).not_to_have_count(0)
    page.get_by_role("searchbox").fill("slo=success")
    expect(page).to_have_url(re.compile(r"/incidents\?q=slo%3Dsuccess$"))
    expect(lines).not_to_have_count(0)
    page.get_by_role("searchbox").fill("slo=nothing")
    expect(lines).to_have_count(0)
    expect(page.locator("main")).to_contain_text("None of this kind.")


def test_a_dead_letter_is_sent_again(visitor: Visitor, site: Site) -> None:
    page = visitor.page
    visitor.open("/deliveries")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_have_text("1 sent again")
    found = site.database.read(lambda found: deliveries.find(found, deliveries.Selection(["waiting"], sink="other"), 9))
    assert len(found) == 1


def test_times_are_those_of_the_reader_where_that_is_wanted(visitor: Visitor, site: Site) -> None:
    page = visitor.page
    visitor.open(paths(site)[3])
    first = page.locator("time").first
    utc = first.inner_text()
    assert utc.endswith("UTC")
    page.get_by_role("button", name="Times in UTC").click()
    at = int(first.get_attribute("datetime") or 0)
    assert f"{datetime.fromtimestamp(at + 9 * 3600, UTC):%-I:%M}" in first.inner_text()  # in Tokyo
    page.reload()
    assert not page.locator("time").first.inner_text().endswith("UTC")
    page.get_by_role("button", name="Times here").click()
    assert page.locator("time").first.inner_text() == utc


def test_a_chart_tells_its_values_where_the_pointer_is(visitor: Visitor, site: Site) -> None:
    page = visitor.page
    visitor.open(paths(site)[2])
    page.locator("#burn svg").hover()
    expect(page.locator("#burn g.tip")).to_contain_text("1h: ")
    page.locator("h1").hover()
    expect(page.locator("g.tip")).to_have_count(0)


def test_a_chart_can_be_read_on_a_phone_and_shows_the_newest_first(browser: Browser, site: Site, url: str) -> None:
    with visiting(browser, url, width=390) as visitor:
        visitor.open(paths(site)[2])
        chart = visitor.page.locator("figure.chart").first
        shown = chart.evaluate(
            "each => [each.clientWidth, each.scrollWidth, each.scrollLeft, document.documentElement.scrollWidth]"
        )
        width, whole, left, page = shown
        assert whole > 600
        assert left + width == pytest.approx(whole, abs=2)
        assert page <= 390
        scale = chart.locator("svg").evaluate("each => each.getBoundingClientRect().width / each.viewBox.baseVal.width")
        assert scale > 0.75


def test_the_keyboard_reaches_the_content_first(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.page.keyboard.press("Tab")
    skip = visitor.page.locator("a.skip")
    expect(skip).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("main")).to_be_focused()


def test_what_is_being_written_is_not_lost_while_the_page_is_read_again(visitor: Visitor, site: Site) -> None:
    page = visitor.page
    page.clock.install()
    visitor.open(paths(site)[3])
    page.get_by_label("Note").fill("half a sentence")
    page.locator("h1").click()
    before = site.board.shown
    try:
        site.board.shown = [*before[1:], before[0]]
        page.clock.fast_forward(16_000)
        page.clock.fast_forward(16_000)
        expect(page.get_by_label("Note")).to_have_value("half a sentence")
    finally:
        site.board.shown = before


def test_the_lab_is_not_read_again_by_itself(visitor: Visitor) -> None:
    page = visitor.page
    page.clock.install()
    visitor.open("/lab")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(60_000)
    page.wait_for_timeout(300)
    assert [each for each in asked if "/static/" not in each] == []


def test_a_filter_keeps_its_focus_and_what_is_new_comes_all_the_same(visitor: Visitor, site: Site) -> None:
    page = visitor.page
    page.clock.install()
    visitor.open("/")
    page.get_by_role("searchbox").focus()
    before = site.board.shown
    try:
        site.board.shown = [*before, status("newer-still", left=0.5)]
        page.clock.fast_forward(16_000)
        expect(page.get_by_text("newer-still")).to_be_visible()
        expect(page.get_by_role("searchbox")).to_be_focused()
    finally:
        site.board.shown = before


def test_a_browser_that_keeps_nothing_shows_the_page_all_the_same(browser: Browser, url: str) -> None:
    with visiting(browser, url) as visitor:
        forbid = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied'); }});"
        visitor.page.add_init_script(forbid)
        visitor.open("/")
        visitor.page.get_by_role("searchbox").press_sequentially("research")
        expect(visitor.page.locator("table.budgets tbody tr")).to_have_count(1)


def test_who_is_logged_out_meanwhile_is_told(visitor: Visitor) -> None:
    page = visitor.page
    page.clock.install()
    visitor.open("/")
    page.context.clear_cookies()
    page.clock.fast_forward(16_000)
    expect(page.locator("header")).to_contain_text("You are logged out")
