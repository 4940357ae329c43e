"""A file of another tool, given in the place of an SLO file, is known for what it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slo_engine.definitions import examine
from slo_engine.definitions.other_tools import foreign
from tests.convert.importers.sources import ALL
from tests.definitions.writing import slo_file


@pytest.mark.parametrize("name", ALL)
def test_every_source_that_is_imported_is_known(name: str) -> None:
    found = foreign(ALL[name])
    assert found is not None
    assert found.tool.lower() == name.partition(" ")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "a"}}', "1:16: apiVersion: this is a"),
        ("# ours?\n---\nversion: 'prometheus/v1'\nslos: []\n", "3:10: version: this is a file of Sloth: "),
        ("kind: List\nitems:\n- kind: SLO\n  apiVersion: openslo/v1\n", "4:15: apiVersion: this is a file of OpenSLO"),
        ("apiVersion: v1\n---\napiVersion: pyrra.dev/v1alpha1\n", "3:13: apiVersion: this is a file of Pyrra"),
        ("kind: ServiceLevelObjective\napiVersion: v1alpha1\n", "2:13: apiVersion: this is a file of Pyrra"),
        ("apiVersion: sloth.slok.dev/v1\nspec: [\n", "1:13: apiVersion: this is a file of Sloth"),  # and has a mistake
        ("a: &a {b: 1}\nversion: prometheus/v1\nc: {<<: *a}\n", "2:10: version: this is a file of Sloth"),
    ],
)
def test_it_is_one_mistake_that_names_the_command(text: str, said: str) -> None:
    (problem,) = examine({"their.yaml": text}).problems
    assert said in str(problem)
    assert problem.message.endswith("`slo-engine import their.yaml --out FOLDER` makes an SLO file of it")


@pytest.mark.parametrize(
    "text",
    [
        slo_file(),
        "version: slo-engine/v1\nlabels: {version: prometheus/v1}\n",
        "version: slo-engine/v1\nservice: a\n---\napiVersion: openslo/v1\n",
        "apiVersion: v1alpha1\nkind: Something\n",
        "text: 'apiVersion: openslo/v1'\n",
        "a: {version: prometheus/v1}\n",
        "[" * 100_000 + "openslo/v1",
        "? {version: prometheus/v1}\n: 1\n",
    ],
)
def test_what_only_looks_like_one_is_left_to_the_loader(text: str) -> None:
    begun = time.process_time()
    assert foreign(text) is None
    assert time.process_time() - begun < 5


def test_slo_files_beside_it_are_checked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "theirs.yaml").write_text(ALL["pyrra"], encoding="utf-8")
    (tmp_path / "ours.yaml").write_text(slo_file(), encoding="utf-8")
    loaded = examine([tmp_path])
    assert len(loaded.problems) == 1
    assert loaded.slos.slos
