"""The picture of error budgets: the worst first, overspent to the left, and words that a PNG shows, too."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.charts.budgets import MOST, WIDTH, budgets
from slo_engine.delivery import png

SVG = "{http://www.w3.org/2000/svg}"


def row(name: str, left: float | None) -> dict[str, Any]:
    return {"service": "agents", "slo": name, "group": {"agent_type": "a"}, "error_budget_remaining": left}


def bars(drawn: str) -> dict[str, tuple[float, float]]:
    """Name -> left and right end of its bar."""
    found = {}
    for rect in ET.fromstring(drawn).iter(f"{SVG}rect"):
        title = rect.find(f"{SVG}title")
        if title is not None:
            x = float(rect.attrib["x"])
            found[str(title.text).split()[1]] = (x, x + float(rect.attrib["width"]))
    return found


def words(drawn: str) -> list[str]:
    return [str(each.text) for each in ET.fromstring(drawn).iter(f"{SVG}text")]


def zero(drawn: str) -> float:
    return next(float(each.attrib["x"]) for each in ET.fromstring(drawn).iter(f"{SVG}text") if each.text == "0 %")


def test_the_worst_budget_is_the_first_and_what_has_no_data_the_last() -> None:
    drawn = budgets([row("fine", 0.9), row("unknown", None), row("gone", -0.4), row("low", 0.1)])
    names = [each.split()[1] for each in words(drawn) if each.startswith("agents ")]
    assert names == ["gone", "low", "fine", "unknown"]


def test_what_is_overspent_is_to_the_left_of_zero_and_what_is_left_to_its_right() -> None:
    drawn = budgets([row("fine", 0.5), row("gone", -0.5), row("exhausted", 0.0)])
    found, middle = bars(drawn), zero(drawn)
    assert found["gone"][1] == pytest.approx(middle, abs=0.2)
    assert found["fine"][0] == pytest.approx(middle, abs=0.2)
    assert found["fine"][1] - middle == pytest.approx(middle - found["gone"][0], abs=0.3)
    assert found["exhausted"][1] - found["exhausted"][0] <= 3


def test_a_budget_without_data_has_no_bar_but_says_so() -> None:
    drawn = budgets([row("unknown", None)])
    assert bars(drawn) == {}
    assert "no data" in words(drawn)


def test_figures_beyond_the_picture_are_written_beside_it() -> None:
    drawn = budgets([row("gone", -7.4)])
    assert "-740.0 %" in words(drawn)
    assert all(0 <= begin <= end <= WIDTH for begin, end in bars(drawn).values())


def test_more_budgets_than_fit_are_counted() -> None:
    drawn = budgets([row(f"slo{number}", number / 100) for number in range(MOST + 5)])
    assert len(bars(drawn)) == MOST
    assert "and 5 more, with more budget left" in words(drawn)


def test_the_picture_has_words_for_who_cannot_see_it() -> None:
    drawn = budgets([row("gone", -0.4)])
    assert "<desc" in drawn
    assert "agents gone a: exhausted, overspent by 40.0 %" in drawn


def test_a_picture_without_budgets_is_one() -> None:
    assert bars(budgets([])) == {}


@given(st.lists(st.tuples(st.text(max_size=80), st.none() | st.floats(-1e9, 1.0)), max_size=30))
def test_any_name_and_any_figure_make_a_picture_within_its_frame(rows: list[tuple[str, float | None]]) -> None:
    drawn = budgets([row(name, left) for name, left in rows])
    for x, width in re.findall(r'<rect fill="[^"]+" x="([-\d.]+)" y="[-\d.]+" width="([-\d.]+)"', drawn):
        assert float(x) >= 0
        assert float(x) + float(width) <= WIDTH
    assert "<script" not in budgets([row("<script>", 0.5)])


def test_the_words_of_a_png_are_there() -> None:
    # resvg draws none at all, and says nothing, where the font that it is told of is missing.
    if png._family() is None:
        pytest.skip("this machine has no fonts")
    one, other = png.png_of(budgets([row("one", 0.5)])), png.png_of(budgets([row("two", 0.5)]))
    assert one is not None
    assert one.startswith(b"\x89PNG")
    assert one != other


def test_without_a_font_there_is_no_picture_rather_than_one_without_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(png, "FAMILIES", ("No Such Font",))
    png._family.cache_clear()
    try:
        assert png.png_of(budgets([row("one", 0.5)])) is None
        assert png.png_of(budgets([row("one", 0.5)])) is None
    finally:
        png._family.cache_clear()
    assert caplog.text.count("install fonts-dejavu-core") == 1


def test_names_that_xml_cannot_hold_do_not_cost_the_picture() -> None:
    drawn = budgets([row("a\x00b\u202ec\ud800", 0.5)])
    assert "agents a b c  a" in words(drawn)


def test_what_is_no_svg_is_no_picture() -> None:
    assert png.png_of("<svg") is None
