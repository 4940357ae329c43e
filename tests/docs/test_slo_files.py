"""docs/slo-files.md says of the format what the format is: no key is left out, none is made up, every example loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slo_engine.definitions import examine
from slo_engine.definitions.files import MAX_FILE_BYTES
from slo_engine.definitions.format import HeaderFormat, SloFormat, keys_of_the_format
from slo_engine.definitions.policies import BUILT_IN
from slo_engine.definitions.promql import MAX_DEPTH, MAX_LENGTH, MAX_OPERATORS
from tests.definitions.writing import EVENTS, write
from tests.docs.page import names, page

PAGE = page("slo-files.md")
PLACES = keys_of_the_format()


def places_of(heading: str) -> list[str]:
    """Where the keys of a section stand: ``alerting`` is a key of ``slos`` and of ``defaults``."""
    if heading == "The file":
        return [""]
    return [place for name in names(heading) for place in PLACES if place == name or place.endswith(f".{name}")]


DOCUMENTED = {
    place: [name for row in table.body for name in names(row[0])]
    for table in PAGE.tables()
    if table.head[0] == "key"
    for place in places_of(table.heading)
}

EXAMPLES = [block for block in PAGE.blocks("yaml") if "objectiv:" not in block]
(MISTAKES,) = [block for block in PAGE.blocks("yaml") if "objectiv:" in block]


@pytest.mark.parametrize("place", PLACES)
def test_every_key_is_documented_and_none_is_made_up(place: str) -> None:
    assert DOCUMENTED[place] == list(PLACES[place])


def _in_a_file(text: str) -> str:
    """A fragment, in the smallest file that holds it."""
    keys = re.findall(r"^(\w+):", text, re.MULTILINE)
    if "version" in keys:
        return text
    if set(keys) <= {*HeaderFormat.model_fields, *PLACES[""]}:
        return f"version: slo-engine/v1\nservice: shop\n{text}"
    assert set(keys) <= set(SloFormat.model_fields), keys
    missing = {"name": "success", "by": "[agent_type]", "sli": f"{{{EVENTS}}}"}
    if "cost:" not in text:
        missing["objective"] = "98"
    lines = [f"{key}: {value}" for key, value in missing.items() if key not in keys] + text.splitlines()
    indented = "\n".join(f"    {line}" for line in lines)
    return f"version: slo-engine/v1\nservice: shop\nslos:\n  -\n{indented}\n"


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("\n", 2)[1].strip())
def test_every_example_loads(text: str, tmp_path: Path) -> None:
    assert not examine([write(tmp_path / "slos.yaml", _in_a_file(text))]).problems


@pytest.mark.parametrize("kind", PLACES["slos.sli"])
def test_every_kind_of_sli_has_an_example(kind: str) -> None:
    assert any(re.search(rf"^sli:(\n +| {{){kind}:", example, re.MULTILINE) for example in EXAMPLES)


def test_validate_says_of_the_mistakes_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (console,) = PAGE.blocks("console")
    command, *said = console.splitlines()
    monkeypatch.chdir(tmp_path)
    write(Path("slos/mistakes.yaml"), MISTAKES)

    loaded = examine([Path("slos")])

    assert command == "$ slo-engine validate slos"
    assert said[:-1] == [str(problem) for problem in loaded.problems]
    assert said[-1] == f"0 SLOs and 0 thresholds are fine; {len(loaded.problems)} mistakes"


def test_limits_and_policies_are_those_of_the_code() -> None:
    limits = {row[0]: row[1] for row in PAGE.table("Limits").body}
    assert f"{MAX_FILE_BYTES // 1024**2} MiB" in limits["file"]
    assert f"{MAX_LENGTH:,} characters, {MAX_DEPTH} nested brackets, {MAX_OPERATORS} operators" in limits["expression"]
    policies = next(row[3] for table in PAGE.tables() for row in table.body if row[0] == "`policy`")
    assert set(names(policies)) == {*BUILT_IN, "policies"}
