"""Whatever stands in a source is translated or named, and nothing that it holds ends in a traceback."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo_engine.convert.importers import Imported, import_files
from slo_engine.convert.importers.source import read_sources
from slo_engine.definitions import load
from slo_engine.definitions.problems import KeyPath, show_path
from slo_engine.errors import SloEngineError
from tests.convert.importers.sources import ALL, imported

pytestmark = pytest.mark.takes(seconds=45)

UNKNOWN = "zz_unknown"


def documents(text: str) -> list[Any]:
    return list(yaml.load_all(text, Loader=yaml.BaseLoader))


def places(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every mapping and list, and every scalar."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        yield from places(child, (*path, key))


def at(value: Any, path: KeyPath) -> Any:
    for part in path:
        value = value[part]
    return value


def typed(value: Any) -> Any:
    """BaseLoader reads text alone: bring back numbers and truth values, and leave the rest as it was written."""
    if isinstance(value, dict):
        return {key: typed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [typed(child) for child in value]
    return {"true": True, "false": False}.get(value, value)


def loads(folder: Path, got: Imported) -> None:
    for file in got.files:
        (folder / file.name).write_text(file.text, encoding="utf-8")
    slos = load([folder / file.name for file in got.files]).slos
    assert len(slos) == sum(len(file.slos) for file in got.files)


MAPPINGS = [
    (name, number, path)
    for name, text in ALL.items()
    for number, document in enumerate(documents(text))
    for path in places(document)
    if isinstance(at(document, path), dict)
]


@pytest.mark.parametrize(("name", "number", "path"), MAPPINGS, ids=lambda part: str(part))
def test_an_unknown_key_is_reported_wherever_it_stands(tmp_path: Path, name: str, number: int, path: KeyPath) -> None:
    changed = [typed(document) for document in documents(ALL[name])]
    at(changed[number], path)[UNKNOWN] = "a value"
    got = imported(tmp_path, yaml.safe_dump_all(changed, sort_keys=False))

    where = show_path((*path, UNKNOWN))
    named = [note.problem.path for note in got.notes if note.kind == "not imported"]
    reported = any(where == each or where.startswith((f"{each}.", f"{each}[")) or not each for each in named)
    translated = any(f"{UNKNOWN}: a value" in file.text for file in got.files)  # a label, or a part of what is shown
    assert reported or translated
    assert all(_comment_of(where) in _unwrapped(got) for each in named if each == where)
    loads(tmp_path, got)


def _comment_of(path: str) -> str:
    return f"not imported: {path}: "


def _unwrapped(got: Imported) -> str:
    text = "\n".join(file.text for file in got.files)
    return " ".join(part for line in text.splitlines() for part in line.strip().lstrip("#").split())


VALUES: list[object] = [
    None,
    0,
    -1,
    100,
    1e300,
    True,
    "",
    "x",
    "{{",
    "\u2028# a: [",
    "a" * 3000,
    [],
    [1],
    {},
    {"a": {"b": []}},
]


@pytest.mark.parametrize("name", ["sloth with its windows", "sloth in kubernetes", "openslo", "openslo alpha", "pyrra"])
def test_no_value_makes_a_traceback_or_a_file_that_does_not_load(tmp_path: Path, name: str) -> None:
    whole = [typed(document) for document in documents(ALL[name])]
    values = itertools.cycle(VALUES)  # each place gets some of them, each of them many places
    for number, document in enumerate(whole):
        for path in places(document):
            if not path:
                continue
            for _ in range(4):
                changed = copy.deepcopy(whole)
                at(changed[number], path[:-1])[path[-1]] = next(values)
                text = yaml.dump_all(changed, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
                if (got := _imported_or_explained(tmp_path, text)) is not None:
                    loads(tmp_path, got)


def _imported_or_explained(folder: Path, text: str) -> Imported | None:
    try:
        return imported(folder, text)
    except SloEngineError as error:
        explained = str(error)
    assert "source.yaml" in explained
    return None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: prometheus/v1\nservice: [a]\nslos: []\n", "2:10: service: must be text"),
        ("version: prometheus/v1\nslos: []\n", "1:1: service is missing"),
        (
            "version: prometheus/v1\nservice: a\nslos:\n  - name: b\n    objective: much\n",
            "5:16: slos[0].objective: must",
        ),
        ("a: b\n---\nversion: prometheus/v1\n  bad: [\n", "4:6: not readable as YAML"),
        ("a: b\n---\n# more\nversion: !!python/name:os.system x\n", "4:10: the tag"),
        ("a: &a [*a]\n", "an alias that contains itself"),
        ("version: prometheus/v1\nservice: a\nslos: {}\n", "3:7: slos: must be a list"),
    ],
)
def test_malformed_source_is_explained_at_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SloEngineError) as raised:
        imported(tmp_path, text)
    assert said in str(raised.value)


def test_documents_of_one_file_keep_the_lines_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_bytes(b"# first\n---\na: 1\r\n---\n\nb:\n  c: 2\n...\n---\nd: |\n  ---\n  text\n")
    sources, problems = read_sources(file)
    assert not problems
    assert [source.document.data for source in sources] == [{"a": 1}, {"b": {"c": 2}}, {"d": "---\ntext\n"}]
    assert [source.root.position.line for source in sources] == [3, 6, 10]


def test_files_that_are_no_slos_of_anybody_are_refused_with_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(SloEngineError, match="no SLO of sloth, openslo, pyrra"):
        imported(tmp_path, "apiVersion: apps/v1\nkind: Deployment\n")
    with pytest.raises(SloEngineError, match="this path does not exist"):
        import_files([tmp_path / "nowhere.yaml"])


def test_what_is_no_slo_beside_slos_is_named(tmp_path: Path) -> None:
    got = imported(tmp_path, ALL["pyrra"] + "---\napiVersion: apps/v1\nkind: Deployment\n")
    (note,) = [note for note in got.notes if "is not a document of" in str(note)]
    assert "is not a document of sloth, openslo, pyrra" in str(note)


def test_importing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for text in ALL.values():
        assert imported(tmp_path, text).files == imported(tmp_path, text).files
