"""Files of other tools are read as the Go parsers of these tools read them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from slo_engine.convert.importers.source import MalformedError, Node, read_sources
from slo_engine.definitions import examine
from slo_engine.definitions.document import Document, read_document
from tests.convert.importers.sources import PYRRA, SLOTH, imported
from tests.convert.importers.test_formats import data, slo


def read(text: str) -> Document:
    return read_document(Path("theirs.yaml"), text, as_go=True)


def node(folder: Path, value: str) -> Node:
    file = folder / "value.yaml"
    file.write_text(f"key: {value}\n", encoding="utf-8")
    (source,), problems = read_sources(file)
    assert not problems
    return source.root.at("key")


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("<<: *a\n  z: 3", {"x": 1, "y": 2, "z": 3}),
        ("<<: *a\n  x: 3", {"x": 3, "y": 2}),
        ("x: 3\n  <<: *a", {"x": 3, "y": 2}),  # what stands there counts, wherever it stands
        ("x:\n  <<: *a", {"x": None, "y": 2}),
        ("<<: [*a, *b]", {"x": 1, "y": 2, "w": 5}),  # of a list, the first
        ("<<: [*b, *a]", {"x": 4, "y": 2, "w": 5}),
        ("<<: {v: 7}", {"v": 7}),
        ("<<: *c\n  u: 8", {"x": 1, "y": 2, "s": 9, "u": 8}),  # one that merges others itself
        ("!!merge <<: *a", {"x": 1, "y": 2}),
        ("'<<': 3", {"<<": 3}),
    ],
)
def test_merge_keys_are_followed(text: str, merged: dict[str, Any]) -> None:
    document = read(f"a: &a {{x: 1, y: 2}}\nb: &b {{x: 4, w: 5}}\nc: &c {{<<: *a, s: 9}}\nd:\n  {text}\n")
    assert not document.problems
    assert document.data["d"] == merged


def test_what_is_merged_is_where_it_is_written() -> None:
    document = read("a: &a\n  x: 1\nd:\n  <<: *a\n")
    problem = document.problem(("d", "x"), "wrong", at_key=True)
    assert (problem.line, problem.column, problem.path) == (2, 3, "d.x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("d: {<<: 3}", "1:5: d: a merge key takes a mapping, or a list of mappings"),
        ("a: &a [1]\nd: {<<: *a}", "2:5: d: a merge key takes a mapping"),
        ("d: {<<: [{x: 1}, 3]}", "1:5: d: a merge key takes a mapping"),
        ("a: &a\n  <<: *a", "merge themselves"),
        ("a: &a {x: {<<: *a}}", "merge themselves"),
        ("\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 400))]), "nest"),
        (
            "\n".join(
                ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12))]
            ),
            "multiply",
        ),
    ],
)
def test_what_cannot_be_merged_is_one_mistake_and_found_quickly(text: str, said: str) -> None:
    begun = time.process_time()
    (problem,) = read(text).problems
    assert time.process_time() - begun < 5
    assert said in str(problem)


def test_files_of_ours_take_no_merge_keys() -> None:
    problems = examine("version: slo-engine/v1\nservice: a\nlabels: &l {team: b}\ndefaults:\n  <<: *l\n").problems
    assert any("merge keys are not part of YAML 1.2" in problem.message for problem in problems)


@pytest.mark.parametrize("written", ["true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"])
def test_yes(tmp_path: Path, written: str) -> None:
    assert node(tmp_path, written).flag() is True


@pytest.mark.parametrize("written", ["false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"])
def test_no(tmp_path: Path, written: str) -> None:
    assert node(tmp_path, written).flag() is False


@pytest.mark.parametrize("written", ["1", "0", "yEs", "maybe", "[yes]", "'true'"])
def test_neither_yes_nor_no(tmp_path: Path, written: str) -> None:
    with pytest.raises(MalformedError, match="must be true or false"):
        node(tmp_path, written).flag()


@pytest.mark.parametrize("written", ["yes", "NO", "True", "off", "1.10", "007", "1e3", "0x1F", "2026-01-01", "1:30"])
def test_text_is_what_was_written(tmp_path: Path, written: str) -> None:
    assert node(tmp_path, written).text() == written


def test_an_alert_is_disabled_by_yes_and_a_label_keeps_its_word(tmp_path: Path) -> None:
    text = SLOTH.replace("disable: true", "disable: yes").replace('tier: "1"', "tier: on\n  release: 1.10")
    got = imported(tmp_path, text)
    assert slo(got, "requests-availability")["alerting"]["ticket"] == {"disabled": True}
    assert data(got)["labels"] == {"tier": "on", "release": "1.10"}


def test_pyrra_takes_yes_and_no(tmp_path: Path) -> None:
    got = imported(tmp_path, PYRRA.replace("burnrates: true, absent: false", "burnrates: on, absent: no"))
    assert slo(got, "api-latency")["alerting"]["policy"] == "pyrra-14d"
    assert "absent" not in slo(got, "api-latency")["alerting"]


def test_slos_may_share_their_alerting_over_a_merge_key(tmp_path: Path) -> None:
    got = imported(
        tmp_path,
        """\
version: prometheus/v1
service: shop
x-alerting: &alerting
  labels: &labels {team: web}
  page_alert: {labels: {<<: *labels, pager: web}}
  ticket_alert: {disable: yes}
slos:
  - &a
    name: a
    objective: 99
    sli: {events: {error_query: 'sum(rate(x{code="5"}[{{.window}}]))', total_query: 'sum(rate(x[{{.window}}]))'}}
    alerting: {<<: *alerting}
  - <<: *a
    name: b
    alerting: {<<: *alerting, ticket_alert: {disable: no}}
""",
    )
    assert not got.notes
    assert slo(got, "a")["alerting"] == {
        "page": {"labels": {"team": "web", "pager": "web"}},
        "ticket": {"disabled": True},
    }
    assert slo(got, "b")["alerting"] == {
        "page": {"labels": {"team": "web", "pager": "web"}},
        "ticket": {"labels": {"team": "web"}},
    }
