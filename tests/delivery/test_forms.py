"""Templates: a sandbox, over texts that are escaped before it sees them."""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slo_engine.delivery.cutting import MORE, cut, cut_lines, in_pieces
from slo_engine.delivery.forms import PLAIN, Forms, Markup, Part
from slo_engine.delivery.sinks.console import ConsoleSinkSettings
from slo_engine.errors import SloEngineError
from slo_engine.notifications.message import Kind
from slo_engine.notifications.samples import sample

HTML = Markup(
    escape=html.escape,
    bold=lambda text: f"<b>{text}</b>",
    link=lambda title, url: f'<a href="{url}">{title}</a>',
)
PARTS = {"title": Part(HTML, "title.txt.j2"), "text": Part(HTML, "text.txt.j2")}


def forms(template: str, kind: Kind = "firing", parts: Mapping[str, Part] = PARTS) -> Forms:
    return Forms("team", parts, {kind: {"title": template}})


def test_a_template_of_the_settings_is_used_for_its_kind_and_part_alone() -> None:
    found = forms("{{ severity | upper }} {{ title }}")
    assert found.write("title", sample("firing")).startswith("PAGE agents success")
    assert found.write("title", sample("resolved")).startswith("Resolved [page]: agents success")
    assert "412 of 455" in found.write("text", sample("firing"))


def test_what_a_label_holds_is_no_markup_and_no_template() -> None:
    hostile = replace(sample("firing"), title="<script>{{ 7 * 7 }}</script>")
    assert forms("{{ bold(title) }}").write("title", hostile) == "<b>&lt;script&gt;{{ 7 * 7 }}&lt;/script&gt;</b>"


def test_links_are_escaped_as_well() -> None:
    found = forms("{% for each in links %}{{ link(each.title, each.url) }}{% endfor %}")
    assert '<a href="https://grafana.example/d/slo-detail?var-slo=success">Dashboard</a>' in found.write(
        "title", sample("firing")
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ titel }}", "'titel' is undefined"),
        ("{{ title", "unexpected end of template"),
        ("a\n{% if %}", "line 2: Expected an expression"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ title.__init__.__globals__ }}", "unsafe"),
        ("{% for a in range(1000000000) %}x{% endfor %}", "Range too big"),
        ("{% for a in range(90000) %}{{ 'x' * 100 }}{% endfor %}", "writes more than 1,000,000 characters"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% include 'other' %}", "no loader"),
        ("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}", "recursion"),
    ],
)
def test_a_template_that_fails_is_refused_at_the_start_with_its_place(template: str, said: str) -> None:
    with pytest.raises(SloEngineError, match=said) as error:
        forms(template)
    assert str(error.value).startswith("sinks: team: templates.firing.title")


def test_a_template_that_fails_on_a_message_is_left_so_that_the_message_leaves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = forms("{{ links[0].url }}")
    bare = replace(sample("firing"), payload={"alerts": []})
    with caplog.at_level(logging.ERROR):
        assert found.write("title", bare).startswith("Firing [page]")
    assert "the template firing.title failed" in caplog.text


def test_remarks_are_there_for_a_template_and_escaped_as_all_else() -> None:
    found = forms("{% for each in remarks %}{{ bold(each) }}{% endfor %}")
    assert found.write("title", sample("firing")) == ""
    assert found.write("title", replace(sample("firing"), remarks=("Late <b>",))) == "<b>Late &lt;b&gt;</b>"


def test_a_template_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "title.j2"
    file.write_text("{{ title }}!")
    given_file = {"name": "a", "type": "console", "templates": {"firing": {"title": {"file": str(file)}}}}
    assert ConsoleSinkSettings.model_validate(given_file).templates["firing"]["title"] == "{{ title }}!"
    file.unlink()
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        ConsoleSinkSettings.model_validate(given_file)


@pytest.mark.parametrize(
    "templates", [{"firing": {"subject": "x"}}, {"smoke": {"title": "x"}}, {"firing": {"title": 7}}]
)
def test_a_part_or_kind_that_is_none_is_refused(templates: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="templates"):
        ConsoleSinkSettings.model_validate({"name": "a", "type": "console", "templates": templates})


@pytest.mark.parametrize("kind", ["firing", "resolved", "update", "status", "digest", "report"])
def test_each_kind_has_a_form_without_any_template(kind: Kind) -> None:
    found = Forms("x", {"title": Part(PLAIN, "title.txt.j2"), "text": Part(PLAIN, "text.txt.j2")})
    assert found.write("title", sample(kind))
    assert "\n\n\n" not in found.write("text", sample(kind))


@given(st.text(max_size=300), st.integers(1, 100))
def test_what_is_cut_is_no_longer_than_that(text: str, longest: int) -> None:
    for shown in (cut(text, longest), cut_lines(text, longest)):
        assert len(shown) <= longest
        assert shown == text or shown.endswith(MORE)


@given(st.text(alphabet="&<>a ", max_size=60), st.integers(2, 60))
def test_no_letter_that_was_escaped_is_cut_in_half(text: str, longest: int) -> None:
    shown = cut(html.escape(text), longest).removesuffix(MORE)
    assert text.startswith(html.unescape(shown))
    assert html.escape(html.unescape(shown)) == shown


@example([" ", "a" * 7, ""], 7, 2)
@example([" " * 12 + "a"], 5, 4)
@given(st.lists(st.text(alphabet="abc ", max_size=30), max_size=20), st.integers(5, 40), st.integers(1, 10))
def test_pieces_are_short_enough_and_of_whole_lines_where_these_are(lines: list[str], longest: int, most: int) -> None:
    text = "\n".join(lines)
    pieces = in_pieces(text, longest, most)
    assert len(pieces) <= most
    assert all(0 < len(piece) <= longest for piece in pieces)
    if len(pieces) < most and all(len(line) <= longest for line in lines):
        assert "".join("".join(pieces).split()) == "".join(text.split())
