"""What there is to say of a source is said, and said once."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.convert.importers import Imported, import_files
from tests.convert.importers.sources import ALL, imported

SLOTH = """\
version: prometheus/v1
service: shop
slos:
  - name: a
    objective: 99.9
    sli: {events: {error_query: 'sum(rate(x{code="5"}[{{.window}}]))', total_query: 'sum(rate(x[{{.window}}]))'}}
    plugins: {chain: []}
    team: web
    alerting: {name: A, page_alert: {labels: {severity: critical}}, ticket_alert: {labels: {severity: warning}}}
  - name: b
    objective: 99
    sli: {events: {error_query: 'sum(rate(y{code="5"}[{{.window}}]))', total_query: 'sum(rate(y[{{.window}}]))'}}
    plugins: {chain: []}
    team: web
    alerting: {name: B, labels: {severity: p1}}
  - name: c
    objective: 99
    sli: {plugin: {id: made-by-code}}
    alerting: {name: C}
"""


def pyrra(name: str, namespace: str = "shop", more: str = "") -> str:
    return f"""\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {{name: {name}, namespace: {namespace}, labels: {{role: alert-rules}}}}
spec:
  target: "99"
  window: 2w
  indicator: {{ratio: {{errors: {{metric: 'x{{code="5"}}'}}, total: {{metric: x}}}}}}
{more}"""


PYRRA = "---\n".join([pyrra("a"), pyrra("b", more="  alerting: {absent: false}\n"), pyrra("c")])


def texts(got: Imported) -> str:
    return " ".join(" ".join(line.strip(" #") for line in file.text.splitlines()) for file in got.files)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SLOTH, "Sloth writes; the rules here are others"),
        (SLOTH, "nothing here stands for it"),
        (PYRRA, "Pyrra has no services"),
        (PYRRA, "Pyrra's alerts wait"),
        (PYRRA, "concerns the Kubernetes object"),
        (PYRRA, "the shortest there is"),
    ],
)
def test_what_is_to_be_said_of_each_slo_is_said_once_for_a_file(tmp_path: Path, source: str, said: str) -> None:
    got = imported(tmp_path, source)
    assert texts(got).count(said) == 1
    assert [said in str(note) for note in got.notes].count(True) == 1


def test_a_note_of_several_slos_stands_at_the_top_with_their_names_and_knows_all_places(tmp_path: Path) -> None:
    got = imported(tmp_path, SLOTH)
    head = got.files[0].text.partition("version:")[0]
    assert "# not imported: slos[].team (of a, b): nothing here stands for it" in head
    (note,) = [note for note in got.notes if note.problem.path == "slos[0].team"]
    assert (note.problem.line, [(each.line, each.path) for each in note.also]) == (8, [(14, "slos[1].team")])


def test_what_the_slos_of_many_files_share_is_said_once_for_the_file_that_they_become(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.yaml").write_text(pyrra(name), encoding="utf-8")
    got = import_files([tmp_path])
    assert [file.name for file in got.files] == ["shop.yaml"]
    assert texts(got).count("Pyrra has no services") == 1
    (note,) = [note for note in got.notes if note.problem.path == "metadata.namespace"]
    assert [each.file.name for each in (note.problem, *note.also)] == ["a.yaml", "b.yaml", "c.yaml"]


def test_notes_of_another_service_stand_in_the_file_of_that_service_alone(tmp_path: Path) -> None:
    items = [pyrra(name, namespace=f"of-{name}") for name in "ab"]
    indented = "".join("- " + item.replace("\n", "\n  ").rstrip(" ") for item in items)
    got = imported(tmp_path, f"kind: List\nitems:\n{indented}")
    of_a, of_b, _ = got.files
    for file, other in ((of_a, "of-b"), (of_b, "of-a")):
        assert other not in file.text
        assert file.text.count("Pyrra has no services") == 1


def test_what_cannot_be_expressed_is_shown_whole_and_its_parts_are_not_named_again(tmp_path: Path) -> None:
    source = ALL["openslo"].replace("{type: Datadog, spec", "{metricSourceRef: theirs, type: Datadog, spec")
    got = imported(tmp_path, source)
    assert [refused.name for refused in got.refused] == ["visits"]
    assert not [note for note in got.notes if note.problem.line > 106 and "metricSource" in note.problem.path]
    assert texts(got).count("theirs") == 2  # good and total, in the comment that shows the SLI


ANCHORS = """\
version: prometheus/v1
service: shop
x-templates:
  alerting: &alerting
    name: Burns
    strange: 1
  unused: &unused {b: 2}
slos:
  - name: a
    objective: 99
    sli: {events: {error_query: 'sum(rate(x{code="5"}[{{.window}}]))', total_query: 'sum(rate(x[{{.window}}]))'}}
    alerting: *alerting
  - name: b
    objective: 99
    sli: {events: {error_query: 'sum(rate(y{code="5"}[{{.window}}]))', total_query: 'sum(rate(y[{{.window}}]))'}}
    alerting: {<<: *alerting, labels: {team: web}}
"""


def test_what_is_written_once_and_used_over_anchors_is_named_once(tmp_path: Path) -> None:
    got = imported(tmp_path, ANCHORS)
    assert sorted((note.problem.line, note.problem.message[:20], len(note.also)) for note in got.notes) == [
        (6, "nothing here stands ", 0),
        (7, "nothing here stands ", 0),
    ]
    assert texts(got).count("strange") == 1
    assert "x-templates.unused" in texts(got)
