"""Expressions that differ in the values of their matchers are read once, and printed as if each were read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slo_engine.definitions import Slo, SloSet, load
from slo_engine.definitions.promql import PromqlError, parse_expression
from slo_engine.rules import build, promql_text
from slo_engine.rules.promql_text import as_promql
from tests.definitions.writing import slo, slo_file

VALUES = st.text("abz-/.:_019", min_size=1, max_size=40) | st.sampled_from(
    ["", "a", "b", "aaa", "bbb", "__name__", "a,b", "a=", "ü", "{", "}", "(", "#", "'", "`", '\\"', "\\\\", "x|y"]
)
EXPRESSIONS = st.sampled_from(
    [
        'up{{a="{}",b!="{}"}} > 1',
        'up{{b="{}",a="{}"}} / on (x) (down{{a="{}"}} > 0)',
        'up{{a="{}",a="{}"}}',
        'up{{a="{}",a!="{}",b="{}" }}',
        'up{{ a = "{}" , b =~ "{}" }}',
        'up{{a=~"{}",b="{}"}}',
        """up{{a='{}',b="{}"}} # "{}" """,
        'up{{a=`{}`,b="{}"}}',
        '{{__name__="{}",b="{}"}}',
        'label_replace(up{{a="{}"}}, "b", "{}", "c", "{}")',
        'count_values("{}", up{{a="{}"}})',
        'sum by (a) (rate(up{{a="{}",b="{}"}}[5m])) / sum by (a) (rate(up{{b="{}",c="{}",d="{}"}}[5m] offset 1m))',
        'up{{a="{}" or a="{}"}}',
        'up{{"a.b"="{}"}}',
        'up == "{}"',
        'up{{a="{}}}',
        'up{{a="{}"',
        "vector(1)",
    ]
)


def printed(text: str) -> str:
    """By itself, or what is wrong with it."""
    try:
        return parse_expression(text).prettify()
    except PromqlError as error:
        return str(error)


def shared(text: str) -> str:
    try:
        return as_promql(text)
    except PromqlError as error:
        return str(error)


@given(EXPRESSIONS, st.lists(st.lists(VALUES, min_size=5, max_size=5), min_size=1, max_size=3))
@example('up{{a="{}",a="{}"}}', [["a", "b", "", "", ""], ["b", "a", "", "", ""]])
@example('label_replace(up{{a="{}"}}, "b", "{}", "c", "{}")', [["x", "y", "z", "", ""], ["x", "z", "y", "", ""]])
@example('up{{a="{}",b!="{}"}} > 1', [["a", "a", "", "", ""], ["a", "b", "", "", ""]])
@example('up{{a="{}",b!="{}"}} > 1', [["a" * 40, "b" * 40, "", "", ""], ["a" * 50, "b" * 50, "", "", ""]])
def test_an_expression_is_printed_as_the_parser_does_whatever_was_printed_before(
    expression: str, values: list[list[str]]
) -> None:
    for each in values:
        text = expression.format(*each)
        assert shared(text) == printed(text)


def test_lines_break_by_the_length_of_the_values() -> None:
    lines = [as_promql(f'a{{b="{"x" * length}"}} / c{{d="{"y" * length}"}}').count("\n") for length in range(20, 60)]
    assert sorted(set(lines)) == [0, 2]


def test_rules_of_another_slo_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(text: str) -> object:
        read.append(text)
        return parse_expression(text)

    one, two = (_slo(service, name) for service, name in (("read-once", "all-runs"), ("read-also", "some-run")))
    wanted = _expressions(two)
    promql_text._printed_with_letters.cache_clear()
    monkeypatch.setattr(promql_text, "parse_expression", counted)
    _expressions(one)
    assert read
    read.clear()
    assert _expressions(two) == wanted
    assert read == []


def _slo(service: str, name: str) -> Slo:
    [found] = load(slo_file(slo(name), service=service)).slos
    return found


def _expressions(slo: Slo) -> list[str]:
    groups = build(SloSet((slo,)))[slo.service]
    return [str(rule.as_data()["expr"]) for group in groups for rule in group.rules]
