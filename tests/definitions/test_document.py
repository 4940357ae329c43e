from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions.document import MAX_NODES, Document, read_document

FILE = Path("slos.yaml")


def read(text: str) -> Document:
    return read_document(FILE, text)


def where(document: Document, *path: str | int, at_key: bool = False) -> tuple[int, int]:
    problem = document.problem(path, "", at_key=at_key)
    return problem.line, problem.column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("30d", "30d"),
        ("98%", "98%"),
        ("=", "="),
        ("True", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-12", -12),
        ("99.9", 99.9),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("'98'", "98"),
        ('"null"', "null"),
        ("|-\n  98", "98"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    document = read(f"key: {text}\n")

    assert not document.problems
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


def test_a_value_that_is_not_a_number_is_read_as_nan() -> None:
    assert math.isnan(read("key: .nan").data["key"])


def test_keys_stay_text() -> None:
    assert read("1: a\ntrue: b\nnull: c\n").data == {"1": "a", "true": "b", "null": "c"}


def test_every_key_and_value_has_its_place() -> None:
    document = read("name: ä\nslos:\n  - name: success\n    by: [a, 'ü', c]\n    text: |\n      x\n")

    assert where(document) == (1, 1)
    assert where(document, "slos") == (3, 3)
    assert where(document, "slos", at_key=True) == (2, 1)
    assert where(document, "slos", 0, "name") == (3, 11)
    assert where(document, "slos", 0, "name", at_key=True) == (3, 5)
    assert where(document, "slos", 0, "by", 2) == (4, 18)
    assert where(document, "slos", 0, "text") == (5, 11)


def test_what_is_missing_is_shown_at_the_item_that_lacks_it() -> None:
    document = read("slos:\n  - name: success\n  - objective: 98\n")

    assert where(document, "slos", 1, "name") == (3, 5)
    assert where(document, "slos", 1, "sli", "events", "total") == (3, 5)
    assert where(document, "policies", 0, "name") == (1, 1)


def test_a_value_behind_an_alias_is_where_it_is_written() -> None:
    document = read("labels: &these {team: ai}\nagain: *these\n")

    assert document.data["again"] == {"team": "ai"}
    assert where(document, "again", "team") == (1, 23)
    assert where(document, "again", at_key=True) == (2, 1)


def test_of_a_key_that_stands_twice_the_first_counts_and_the_second_is_named() -> None:
    document = read("owner: a\nname: b\nowner: c\nowner: d\n")

    assert document.data == {"owner": "a", "name": "b"}
    assert [(problem.line, problem.column) for problem in document.problems] == [(3, 1), (4, 1)]
    assert all("first in line 1" in problem.message for problem in document.problems)


def test_the_same_key_in_two_mappings_is_no_mistake() -> None:
    assert not read("a: {name: x}\nb: {name: y}\n").problems


def bomb(levels: int, fan: int) -> str:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * fan)}]" for level in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[" * 100_000, "nested deeper", id="100,000 open brackets"),
        pytest.param("- " * 100_000, "nested deeper", id="100,000 dashes in a line"),
        pytest.param("{a: " * 100_000, "nested deeper", id="100,000 open mappings"),
        pytest.param("? " * 100_000, "nested deeper", id="100,000 complex keys"),
        pytest.param(bomb(10, 10), "more than 100,000 values", id="a thousand million laughs"),
        pytest.param(bomb(400, 1), "aliases nest deeper", id="a chain of aliases"),
        pytest.param(bomb(60, 60), "more than 100,000 values", id="60 to the power of 60"),
        pytest.param("a: &a [*a]", "contains itself", id="an alias of itself"),
        pytest.param("a: &a {b: {c: *a}}", "contains itself", id="an alias of what it stands in"),
        pytest.param("a: [" + "x, " * MAX_NODES + "]", "more than 100,000 values", id="very many values"),
    ],
)
def test_a_hostile_file_is_refused_quickly_with_one_mistake(text: str, message: str) -> None:
    begun = time.process_time()
    document = read(text)

    assert time.process_time() - begun < 5
    assert [message in problem.message for problem in document.problems] == [True]


@pytest.mark.parametrize("text", ["!!python/object:os.system x", "!!str 1", "! x", "!own {a: 1}"])
def test_no_tag_is_followed(text: str) -> None:
    document = read(f"owner: {text}\n")

    assert document.data is None
    assert [(problem.line, problem.column) for problem in document.problems] == [(1, 8)]


YAMLISH = st.sampled_from(
    ["a", ": ", "- ", "\n", "  ", "\t", "# x", "[", "]", "{", "}", ",", "&a ", "*a", "'", '"', "|"]
)


@given(st.lists(YAMLISH | st.text(max_size=2), max_size=25).map("".join))
def test_whatever_a_file_holds_is_read_or_explained_within_it(text: str) -> None:
    document = read(text)

    for problem in document.problems:
        assert 1 <= problem.line <= len(text.splitlines())
        assert 1 <= problem.column <= len(text) + 1
        assert str(problem).isprintable()


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "---\n...\n"])
def test_a_file_without_content_has_no_data_and_no_mistake(text: str) -> None:
    document = read(text)

    assert document.data is None
    assert not document.problems


def test_place_in_a_text_is_found_behind_a_byte_order_mark() -> None:
    document = read_document(Path("x.yaml"), '\ufeffname: "é {{ x"')

    problem = document.problem_within(("name",), 2, "wrong")

    assert (problem.line, problem.column) == (1, 10)


def test_where_a_text_ends_early_its_beginning_is_told() -> None:
    document = read_document(Path("x.yaml"), "name: abc ")

    problem = document.problem_within(("name",), 3, "wrong")

    assert (problem.line, problem.column) == (1, 7)
