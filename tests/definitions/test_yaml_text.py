"""YAML that is read as the values that it was written from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slo_engine.definitions.document import read_document
from slo_engine.definitions.yaml_text import comment, commented_out, item, mapping, scalar

WORDS = r"""null Yes no 1 0o7 1e3 30d a: #x - a' \ { [a] *a !b " % @ ` a,b . -1 .inf ~ << ? | > é😀"""
LINES = ["", "a: b", "- a", "a #b", "a\nb", "a\n", " a\nb", "a\n\n b", "\u2028", "\x85", "\ufeff", "\t", "{{ $x }}"]
AWKWARD = st.sampled_from([*WORDS.split(" "), *LINES])
TEXTS = (
    AWKWARD | st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.lists(AWKWARD, max_size=4).map("".join)
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


def read(lines: list[str]) -> Any:
    document = read_document(Path("written.yaml"), "\n".join(lines) + "\n")
    assert not document.problems, (lines, document.problems)
    return document.data


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_what_is_written_is_read_as_the_same_values(data: dict[str, Any]) -> None:
    assert read(mapping(data)) == data
    assert read(mapping(data, open_keys=list(data))) == data
    assert read(["slos:", *item(mapping(data, 4), 2)]) == {"slos": [data]}


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), TEXTS)
def test_a_comment_never_ends_early(data: dict[str, Any], text: str) -> None:
    lines = [*comment(f"x {text}"), *comment(text, 2), *commented_out(item(mapping(data, 4), 2), 2), "a: 1"]
    assert read(lines) == {"a": 1}


def test_plain_words_carry_no_quotes() -> None:
    written = [scalar(value) for value in ("http_requests_total", "30d", "1h30m", 98.0, 99.9, "Agent runs end.")]
    assert written == ["http_requests_total", "30d", "1h30m", "98", "99.9", "Agent runs end."]
