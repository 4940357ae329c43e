from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions.promql import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_OPERATORS,
    Matcher,
    PromqlError,
    Selector,
    parse_alert_expression,
    parse_expression,
    parse_selector,
)

NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True)
LABELS = NAMES.filter(lambda name: name != "__name__")
HOSTILE = st.sampled_from(['"', "\\", "\n", "\t", "\r", "'", "`", "{", "}", "#", ",", '\\"', "\\n", "\0", "é", "😀"])
VALUES = st.lists(HOSTILE | st.text(max_size=5), max_size=8).map("".join)
MATCHERS = st.builds(Matcher, LABELS, st.sampled_from(["=", "!="]), VALUES)


@given(st.lists(MATCHERS, max_size=4))
def test_a_printed_selector_is_read_as_the_same_selector(matchers: list[Matcher]) -> None:
    selector = Selector("agent_requests_total", tuple(sorted(set(matchers), key=str)))
    read = parse_selector(str(selector))

    assert (read.metric, sorted(read.matchers, key=str)) == (selector.metric, list(selector.matchers))


@given(VALUES)
def test_no_label_value_escapes_from_its_matcher(value: str) -> None:
    selector = parse_selector('a_total{job="agents"}').where("agent_type", value)

    assert parse_selector(str(selector)) == selector


@pytest.mark.parametrize(
    "value", ['x"} or vector(1) or a{b="', 'x"}[5m]) or up{a="', 'x", job!="agents', 'x"} # ', "x\\", "x\n} or up{"]
)
def test_a_hostile_value_stays_the_value_of_one_selector(value: str) -> None:
    printed = str(parse_selector("a_total").where("agent_type", value))

    assert parse_selector(printed) == Selector("a_total", (Matcher("agent_type", "=", value),))
    assert parse_expression(f"rate({printed}[5m])").prettify().count("a_total") == 1


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("up", Selector("up")),
        ("up{}", Selector("up")),
        (" up \n", Selector("up")),
        ("job:errors:rate5m", Selector("job:errors:rate5m")),
        ('{__name__="up"}', Selector("up")),
        ('{__name__="up", job="a"}', Selector("up", (Matcher("job", "=", "a"),))),
        ("up{job='a\"b'}", Selector("up", (Matcher("job", "=", 'a"b'),))),
        ('up{job=~"a|b", env!~"d.*", x!=""}', None),
        ("up # the agents", Selector("up")),
    ],
)
def test_a_selector_is_read_with_its_matchers(text: str, selector: Selector | None) -> None:
    read = parse_selector(text)

    assert selector is None or read == selector
    assert parse_selector(str(read)) == read


def test_a_selector_keeps_all_four_kinds_of_matcher() -> None:
    read = parse_selector('up{a="1", b!="2", c=~"3", d!~"4"}')

    assert {(matcher.name, matcher.op) for matcher in read.matchers} == {
        ("a", "="),
        ("b", "!="),
        ("c", "=~"),
        ("d", "!~"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate(up[5m])", "one plain selector"),
        ("up[5m]", "one plain selector"),
        ("(up)", "one plain selector"),
        ("-up", "one plain selector"),
        ("1", "one plain selector"),
        ("up == 1", "one plain selector"),
        ("up offset 5m", "offset or @"),
        ("up @ 0", "offset or @"),
        ('{job="a"}', "name one metric"),
        ('{__name__=~"a.*"}', "name one metric"),
        ('{"with.dots"}', "name one metric"),
        ('{__name__="a", __name__="b"}', "name its metric once"),
        ('up{a="1" or b="2"}', "use =~"),
        ("{}", "is not PromQL"),
        ("", "is not PromQL"),
        ('up{a="}', "is not PromQL"),
        ('up{a=~"("}', "is not PromQL"),
        ('up{a="1"} or', "is not PromQL"),
    ],
)
def test_what_is_not_one_plain_selector_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(PromqlError, match=message):
        parse_selector(text)


@pytest.mark.parametrize("text", ["up[5m]", "up[5m:1m]", "'up'"])
def test_an_alert_on_a_range_or_a_text_is_refused(text: str) -> None:
    with pytest.raises(PromqlError, match="one value a series"):
        parse_alert_expression(text)


def test_a_reason_is_one_line() -> None:
    with pytest.raises(PromqlError) as refused:
        parse_expression('up{a=~"(\\n"}')

    assert "\n" not in str(refused.value)


DEADLY = {
    "brackets": "'(' * 10_000 + 'up' + ')' * 10_000",
    "open brackets": "'(' * 10_000",
    "functions": "'abs(' * 3_000 + 'up' + ')' * 3_000",
    "brackets behind a comment with a quote": "\"# it's\\n\" + '(' * 7_000 + 'up' + ')' * 7_000",
    "brackets behind a broken string": "'\"\\n' + '(' * 10_000 + '\"'",
    "operators": "'a' + '+a' * 7_000",
    "unary operators": "'-' * 10_000 + 'a'",
    "words in capitals": "'a' + ' OR a' * 3_000",
    "words on lines of their own": "'a' + '\\nunless\\na' * 1_500",
    "arc tangents": "'a' + ' atan2 a' * 1_500",
}


@pytest.mark.parametrize("expression", DEADLY.values(), ids=DEADLY)
def test_an_expression_that_would_end_the_process_is_refused(expression: str) -> None:
    """In a thread with a small stack, as a server may have it, and in a process of its own, which must live."""
    script = f"""
import threading
from slo_engine.definitions.promql import PromqlError, parse_expression

def parse():
    try:
        parse_expression({expression})
    except PromqlError as error:
        print("refused:", error)

threading.stack_size(512 * 1024)
thread = threading.Thread(target=parse)
thread.start()
thread.join()
print("alive")
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("refused:")
    assert run.stdout.endswith("alive\n")


@pytest.mark.parametrize(
    "text",
    [
        "(" * MAX_DEPTH + "up" + ")" * MAX_DEPTH,
        " + ".join(["up"] * MAX_OPERATORS),
        "up{" + ", ".join(f'label_{index}!="-+-+"' for index in range(600)) + "}",
        'up{a="' + "(" * 1000 + '"}',
        "up # " + "(" * 1000,
        "up{a='or and unless " + "or " * 1000 + "'}",
    ],
    ids=["depth", "operators", "matchers", "brackets in a string", "brackets in a comment", "words in a string"],
)
def test_what_only_looks_deep_is_no_mistake(text: str) -> None:
    parse_expression(text)


def test_an_expression_that_is_too_long_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(PromqlError, match="is longer than 16,384 characters"):
        parse_expression("up" + " " * MAX_LENGTH)
