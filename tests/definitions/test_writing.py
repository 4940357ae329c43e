"""SLO sets written out as files, and loaded again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from deploy.stack.stack import REPOSITORY
from slo_engine.definitions import SloSet, load
from slo_engine.definitions.writing import write_out
from tests.rules.promtool import dump
from tests.rules.test_properties import SlosOfAService, hostile, services

EXAMPLES = sorted([*(REPOSITORY / "slos").glob("*.yaml"), *(REPOSITORY / "examples" / "slos").glob("*.yaml")])


def written_again(slos: SloSet, folder: Path) -> SloSet:
    """What the files say that a set is written out as."""
    for name, text in write_out(slos).items():
        (folder / name).write_text(text, encoding="utf-8")
    return load([folder])


def ordered(slos: SloSet) -> tuple[object, object]:
    """A set without the order of its files."""

    def by_text(items: Iterable[object]) -> list[object]:
        return sorted(items, key=repr)

    return by_text(slos.slos), by_text(slos.thresholds)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_example_means_the_same_when_it_is_written_out(file: Path, tmp_path: Path) -> None:
    slos = load([file])

    assert ordered(written_again(slos, tmp_path)) == ordered(slos)


@settings(max_examples=60, deadline=None)
@given(services(), hostile)
def test_load_write_load_is_the_identity(declared: dict[str, SlosOfAService], owner: str) -> None:
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        for name, slos in declared.items():
            content = {"version": "slo-engine/v1", "service": name, "owner": owner, "slos": slos}
            dump(Path(first) / f"{name}.yaml", content)
        loaded = load([Path(first)])

        assert ordered(written_again(loaded, Path(second))) == ordered(loaded)


def test_labels_of_a_file_stay_with_its_own_slos_and_thresholds(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    slo = "{{name: {name}, objective: 99, sli: {{events: {{total: a_total, errors: b_total}}}}}}"
    plain = "{{alert: {name}, expr: up == 0, severity: page, summary: x}}"
    for name, labels in (("one", "{tier: '1'}"), ("two", "{}")):
        (source / f"{name}.yaml").write_text(
            f"version: slo-engine/v1\nservice: shop\nlabels: {labels}\n"
            f"slos: [{slo.format(name=name)}]\nthresholds: [{plain.format(name=name.title())}]\n"
        )
    slos = load([source])

    assert ordered(written_again(slos, target)) == ordered(slos)
