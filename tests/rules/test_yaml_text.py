"""YAML of our own: any text comes back as it was, for both of PyYAML's readers, and no text turns into a number."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from slo_engine.rules.yaml_text import as_yaml, indented

# What YAML cannot hold at all (surrogates) cannot come out of a YAML file either.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
# Texts made of what means something to YAML, which random characters seldom are.
SIGNS = r""": | #|- | |'|"|{|}|[|]|&a|*a|!t|>|%|@|`|? |---|...|key|1|0x1|1e3|yes|~|\|{{ $value }}|,|ü|😀"""
BREAKS = ("|", "\n", "\n\n", "\t", "\r", "\u2028", "\x85", "\ufeff", "\x07", "\x7f")
HOSTILE = st.lists(st.sampled_from([*SIGNS.split("|"), *BREAKS]), max_size=8).map("".join)
ANY = st.one_of(TEXTS, HOSTILE)
NO_TEXTS = (
    "1 14.4 1e3 1E+06 0x1f 0o17 017 1_000 1:30 1,000 2026-01-01 2026-01-01T00:00:00Z yes No on OFF y n true False "
    "null ~ .5 -1 +1 .inf << = 0b1"
)
READERS = (yaml.SafeLoader, yaml.CSafeLoader)


def document(name: str, key: str, text: str) -> dict[str, object]:
    """The shape of a rule file."""
    rules = [{"record": name, "expr": text, "labels": {key: text, "none": {}}}, {"alert": text, "list": []}, {"a": "b"}]
    return {"groups": [{"name": name, "interval": "1m", "rules": rules}]}


@given(ANY, ANY, ANY)
@example("a", "b", "\n a")
@example("a", "b", "a\n\n\n")
@example("a", "b", " \n")
@example("a", "b", "\n")
@example("a", "b", "")
def test_every_text_comes_back_as_it_was(name: str, key: str, text: str) -> None:
    wanted = document(name, "k" + key, text)
    written = as_yaml(wanted)
    for reader in READERS:
        assert yaml.load(written, Loader=reader) == wanted  # both readers are the safe ones


@given(ANY, ANY)
def test_yaml_that_is_moved_to_the_right_says_the_same(name: str, text: str) -> None:
    wanted = document(name, "key", text)
    written = "above:\n  below:\n" + indented(as_yaml(wanted), 2)
    for reader in READERS:
        assert yaml.load(written, Loader=reader) == {"above": {"below": wanted}}


@pytest.mark.parametrize(
    "text",
    NO_TEXTS.split(" "),
)
def test_a_text_that_some_reader_takes_for_something_else_is_quoted(text: str) -> None:
    # Kubernetes makes JSON of it, untyped: a label value 14.4 or 1e3 would be refused as a number.
    assert as_yaml({"a": text})[3:].strip()[0] in "'\""


@pytest.mark.parametrize(
    "text", ["5m", "30d", "1h30m", "slo:sli_error:ratio", "1 - max(a)", "(a > 0)", "Müller weiß es"]
)
def test_a_text_that_nobody_mistakes_is_not_quoted(text: str) -> None:
    assert as_yaml({"a": text}) == f"a: {text}\n"
