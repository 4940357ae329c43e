"""Templates of labels and annotations: promtool, which reads them as Prometheus does, says of each what we say."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from slo_engine.definitions.alert_templates import FUNCTIONS, MAX_DEPTH, check_alert_template
from slo_engine.definitions.template_tokens import AlertTemplateError
from tests.rules.promtool import dump

LATE = {"now", "toDuration", "urlQueryEscape"}
"""Functions that not every Prometheus 2 and 3 has."""

GOOD = [
    "",
    "no template }} at all",
    "{ $value }",
    "{{ $labels.agent_type }} burns, {{ $value | humanizePercentage }}",
    "{{$labels.a}}{{.Labels.a}}{{ .Value }}{{ $externalLabels.region }}{{ $externalURL }}{{ .ExternalURL }}",
    '{{ "{{" }} and {{ `}}` }}',
    "{{- $value -}}",
    "{{-  $value  -}}  text",
    "{{-\n$value\n-}}",
    "{{/* a comment */}}{{- /* {{ another }} */ -}}",
    "{{ if gt $value 0.5 }}many{{ end }}",
    "{{ if eq $labels.a `x` }}1{{ else if and $labels.b (ne $labels.b `y`) }}2{{ else if true }}3{{ else }}4{{ end }}",
    "{{ with $x := $labels.a }}{{ $x }}{{ . }}{{ else }}none{{ end }}",
    '{{ with query "up == 0" }}{{ . | first | value }}{{ end }}',
    '{{ range query "up" | sortByLabel "job" }}{{ .Labels.job }} {{ .Value }}{{ break }}{{ else }}none{{ end }}',
    '{{ range $i, $x := query "up" }}{{ if $i }}{{ continue }}{{ end }}{{ $x.Labels.job }}{{ end }}',
    "{{ range $x, $x }}{{ end }}",
    "{{ $a := 1 }}{{ $a = 2 }}{{ $a }}{{ $b = 3 }}{{ $b }}",
    "{{ if $a := $value }}{{ else }}{{ $a }}{{ end }}",
    "{{ $x := $x }}",
    '{{ define "part" }}{{ . }}{{ $ }}{{ end }}{{ template "part" $value }}',
    "{{ define `a` }} {{ end }}{{ define `a` }}x{{ end }}{{ define `a` }}{{/* c */}}{{ end }}",
    '{{ block "part" .Labels }}{{ .a }}{{ end }}{{ template "elsewhere" }}',
    '{{ printf "%.2f" $value }} {{ print 1 0x1f 0o17 0b1 017 1_000 0x_1 .5 1.e3 1e-3 0x1p-2 3i 1+2i -1 +1 -0 }}',
    "{{ print 'a' 'é' '\\'' '\\n' '\\x41' '\\101' '\\u00e9' }}",
    '{{ "\\a\\b\\f\\n\\r\\t\\v\\\\\\"\\x41\\101\\u00e9\\U0001f600" }}',
    "{{ print nil true false . $ }}",
    "{{ 18446744073709551615 }}{{ -9223372036854775808 }}",
    "{{ (index $labels `a`) }}{{ (index . `b`).c.d }}{{ ((($value))) }}{{ print ($a := 1) $a }}",
    "{{ $value | printf `%v` | toUpper | title }}",
    "{{ $value | }}",
    "{{ .Labels.a | .Method | $labels.y }}",
    "{{ $value.x .y $labels.z }}",
    "{{ humanize.x }}",
    "{{ $lébels := 1 }}{{ $lébels }}",
    "{{ and }}{{ humanize }}{{ len 1 2 3 }}",
    "{{ gt $value 1 }}",
    "{{ .Nothing }}",
    '{{ template "nowhere" }}',
    "{{define `x`}}{{end}}{{define `y`}}{{if 1}}{{end}}{{end}}",
    "{{ if 1 }}" * 40 + "{{ end }}" * 40,
    "{{ " + "(" * 40 + "1" + ")" * 40 + " }}",
    "{{ if 1 }}" + "{{ else if 1 }}" * 120 + "{{ end }}",
]

BAD = [
    "{{",
    "{{ $value",
    "{{ $value }",
    "{{}}",
    "{{ }}",
    "{{- -}}",
    "{{ $value-}}",
    "{{-$value}}",
    "{{ $value -}} {{",
    "{{/* open",
    "{{/* closed */",
    "{{/* more */ $value }}",
    "{{ /* inside */ }}",
    "{{ $labels.nosuch | nofunc }}",
    "{{ labels.a }}",
    "{{ value }}{{ $labels.a | upper }}",
    "{{ tmpl `x` . }}",
    "{{ default `x` $labels.a }}",
    "{{ $valeu }}",
    "{{ $Labels.a }}",
    "{{ if gt $value 1 }}x",
    "{{ if }}x{{ end }}",
    "{{ if $value }}x{{ else }}y",
    "{{ if $value }}x{{ else }}y{{ else }}z{{ end }}",
    "{{ if $value }}x{{ else if }}y{{ end }}",
    "{{ if $value }}x{{ elseif $value }}y{{ end }}",
    "{{ if $value }}x{{ endif }}",
    "{{ if $value }}x{{ end if }}",
    "{{ if $value }}x{{ else $value }}y{{ end }}",
    "{{ if $value > 1 }}x{{ end }}",
    "{{ if $value == 1 }}x{{ end }}",
    "{{ if !$value }}x{{ end }}",
    "{{ if $a && $value }}x{{ end }}",
    "{{ if ($value }}x{{ end }}",
    "{{ if $value) }}x{{ end }}",
    "{{ if $x := $value }}{{ end }}{{ $x }}",
    "{{ end }}",
    "x{{ else }}y",
    "{{ with }}x{{ end }}",
    "{{ with $value }}x{{ else if $value }}y{{ end }}",
    "{{ range query `up` }}x",
    "{{ range $i, $x := query `up` }}{{ end }}{{ $x }}",
    "{{ range $i, $x, $y := query `up` }}{{ end }}",
    "{{ range $i, x }}{{ end }}",
    "{{ range $i, }}{{ end }}",
    "{{ range query `up` }}{{ else if 1 }}{{ end }}",
    "{{ $a, $b := $value }}",
    "{{ $a := }}",
    "{{ a := 1 }}",
    "{{ $a : 1 }}",
    "{{ $a:=1 }}{{ $a=1 }}",
    "{{ break }}",
    "{{ if 1 }}{{ break }}{{ end }}",
    "{{ if 1 }}{{ end }}{{ continue }}",
    "{{ continue }}",
    "{{ range query `up` }}{{ block `x` . }}{{ break }}{{ end }}{{ end }}",
    "{{ range query `up` }}{{ break 1 }}{{ end }}",
    "{{ range query `up` }}x{{ else }}{{ break }}{{ end }}",
    "{{ define `x` }}",
    "{{ define x }}{{ end }}",
    "{{ define `x` . }}{{ end }}",
    "{{ define `x` }}{{ else }}{{ end }}",
    "{{ define `x` }}{{ $labels.a }}{{ end }}",
    "{{ if 1 }}{{ define `x` }}{{ end }}{{ end }}",
    "{{ define `x` }}a{{ end }}{{ define `x` }}b{{ end }}",
    "{{ define `x` }}a{{ end }}{{ block `x` . }}b{{ end }}",
    "{{ $a := 1 }}{{ block `x` $a }}{{ $a }}{{ end }}",
    "{{ block `x` }}{{ end }}",
    "{{ block . }}{{ end }}",
    "{{ template }}",
    "{{ template x }}",
    "{{ template $x }}",
    '{{ "open }}',
    '{{ "two\nlines" }}',
    "{{ `open }}",
    "{{ 'open }}",
    "{{ 'two' }}",
    "{{ '' }}",
    "{{ '\\\"' }}",
    '{{ "\\d" }}',
    '{{ "\\\'" }}',
    '{{ "\\x4" }}',
    '{{ "\\400" }}',
    '{{ "\\0" }}',
    '{{ "\\ud800" }}',
    '{{ "\\U00110000" }}',
    '{{ printf "%d"$value }}',
    '{{ reReplaceAll "\\." "" $labels.a }}',
    "{{ 1x }}",
    "{{ 08 }}",
    "{{ 1__0 }}",
    "{{ 1_ }}",
    "{{ 0x }}",
    "{{ 0x1.8 }}",
    "{{ 1e999 }}",
    "{{ 18446744073709551616 }}",
    "{{ -9223372036854775809 }}",
    "{{ +9223372036854775808 }}",
    "{{ 1+2 }}",
    "{{ $value + 1 }}",
    "{{ $value * 100 }}",
    "{{ $value / 2 }}",
    "{{ $labels['a'] }}",
    "{{ $labels[a] }}",
    "{{ $labels.a-b }}",
    "{{ $labels.a, $value }}",
    "{{ printf(`%v`, $value) }}",
    "{{ $value | 1 }}",
    "{{ $value | `x` }}",
    "{{ $value | true }}",
    "{{ $value | . }}",
    "{{ | humanize }}",
    "{{ $value || humanize }}",
    "{{ 1.x }}",
    "{{ nil.x }}",
    "{{ `x`.y }}",
    "{{ ..x }}",
    "{{ . .x.. }}",
    "{{ () }}",
    "{{ ($value)($value) }}",
    "{{ {{ $value }} }}",
    "{{ ${value} }}",
    "{{ “x” }}",
    "{{ x\u00a0}}",
    "{{ \x7f }}",
]


def refused(templates: Sequence[str]) -> set[str]:
    """Of these templates, those that promtool refuses."""
    with tempfile.TemporaryDirectory() as folder:
        rules = [
            {"alert": f"T{number}", "expr": "up", "annotations": {"text": text}}
            for number, text in enumerate(templates)
        ]
        file = dump(Path(folder) / "rules.yaml", {"groups": [{"name": "templates", "rules": rules}]})
        said = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    found = {int(number) for number in re.findall(r'rule \d+, "T(\d+)": annotation "text": ', said.stderr)}
    assert (said.returncode != 0) is bool(found), said.stderr
    return {templates[number] for number in found}


def mistake(template: str) -> AlertTemplateError | None:
    try:
        check_alert_template(template)
    except AlertTemplateError as error:
        return error
    return None


@pytest.fixture(scope="module")
def refused_by_promtool() -> set[str]:
    return refused(GOOD + BAD)


@pytest.mark.parametrize("template", GOOD)
def test_what_promtool_takes_is_taken(template: str, refused_by_promtool: set[str]) -> None:
    assert template not in refused_by_promtool
    assert mistake(template) is None


@pytest.mark.parametrize("template", BAD)
def test_what_promtool_refuses_is_refused(template: str, refused_by_promtool: set[str]) -> None:
    assert template in refused_by_promtool
    found = mistake(template)
    assert found is not None
    assert 0 <= found.at <= len(template)


def test_functions_are_those_of_promtool() -> None:
    calls = {f"{{{{ {name} }}}}": name for name in FUNCTIONS}

    assert {calls[template] for template in refused(list(calls))} <= LATE


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("a {{ $value", "never closes it: add }}"),
        (
            "{{ $value | humanise }}",
            "calls humanise, which is no function of Prometheus' templates: did you mean humanize",
        ),
        (
            "{{ $value | bad }}",
            "calls bad, which is no function of Prometheus' templates: put text in quotes, or remove it",
        ),
        ("{{ if $value < 1 }}{{ end }}", "comparisons are functions, as in {{ if gt $value 0.5 }}"),
        ("{{ $value * 100 }}", "do sums in the expression of the alert"),
        ('{{ match "\\." $labels.a }}', "holds the escape \\., which Go does not have: write \\\\ for a backslash"),
        ("{{ if 'many' }}{{ end }}", "puts text in single quotes, which hold one character"),
        ("{{ define `x` }}{{ $labels.a }}{{ end }}", "hand it over with {{ template `name` $labels }}"),
        ("{{ if 1 }}{{ with 2 }}x{{ end }}", "opens {{ if }} and never ends it: add {{ end }}"),
        ("{{ range . }}{{ else if 1 }}{{ end }}", "holds {{ else if }} in {{ range }}: write {{ else }}{{ if ... }}"),
        ("{{ if 1 }}" * (MAX_DEPTH + 1), "is nested deeper than 50 levels"),
        ("{{ " + "(" * 900, "is nested deeper than 50 levels"),
        # A Prometheus that is older than this refuses it.
        ("{{ with 1 }}{{ else with 2 }}{{ end }}", "write {{ else }}{{ with ... }}, and end both"),
    ],
)
def test_a_refusal_says_what_to_write(template: str, said: str) -> None:
    found = mistake(template)
    assert found is not None
    assert said in str(found)


PARTS = [
    *("{{", "}}", "{{- ", " -}}", "-}}", "(", ")", "|", ":=", "=", ",", ".", "$", " ", "\n", "é", "\x01", "/*", "*/"),
    *("$labels", "$labels.a", "$value", "$x", "$nope", ".Labels", ".b", '"a"', '"\\n"', '"\\q"', "`r`", "'c'", "'cc'"),
    *("1", "0x1f", "1e5", "08", "1_0", "1__0", "-", "-1", "1+2i", "3i", "nil", "true", "if", "else", "end", "range"),
    *("with", "define", "block", "template", "break", "humanize", "printf", "nofunc", '"', "`", "text", "{", "<", "!"),
    *("{{ end }}", "{{ else }}", "{{ else if 1 }}", "{{ if $value }}", "{{ range $i, $x := . }}", "{{ $x := 1 }}"),
]


def _templates() -> st.SearchStrategy[str]:
    operand = st.sampled_from(
        ["$value", "$labels.a", ".", ".Labels.b", "1", "-0.5", "0x1f", '"t"', "`t`", "'c'", "nil", "true", "$", "len"]
    )
    functions = st.sampled_from(sorted(FUNCTIONS - LATE))
    space = st.sampled_from([" ", "  ", "\n"])

    def commands(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        argument = st.one_of(operand, inner.map(lambda pipeline: f"({pipeline})"))
        call = st.builds(lambda name, gap, given: gap.join([name, *given]), functions, space, st.lists(argument))
        return st.builds(lambda first, rest: " | ".join([first, *rest]), st.one_of(argument, call), st.lists(functions))

    pipeline = st.recursive(operand, commands, max_leaves=4)
    action = st.builds(
        lambda left, what, right: left + what + right,
        st.sampled_from(["{{", "{{ ", "{{- "]),
        st.one_of(pipeline, pipeline.map(lambda value: f"$x := {value}"), st.just("/* note */")),
        st.sampled_from(["}}", " }}", " -}}"]),
    )

    def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        opening = st.builds(
            lambda keyword, value: f"{{{{ {keyword} {value} }}}}",
            st.sampled_from(["if", "with", "range", "range $i, $x :=", "if $x :=", 'block "b"', 'define "d"']),
            pipeline,
        )
        middle = st.one_of(
            st.just(""), st.sampled_from(["{{ else }}", "{{ else if $value }}", "{{ break }}", "{{ $x }}"])
        )
        return st.builds(lambda *parts: "".join(parts), opening, inner, middle, inner, st.just("{{ end }}"))

    text = st.sampled_from(["", "text", " ", "}}", "{"])
    whole = st.recursive(st.one_of(action, text), blocks, max_leaves=4)
    return st.lists(whole, min_size=1, max_size=3).map("".join)


_PIECES = re.compile(r"\{\{-?|-?\}\}|\w+|\s+|.", re.DOTALL)


def _mutated(template: str, changes: list[tuple[float, str, str]]) -> str:
    pieces = _PIECES.findall(template) or [""]
    for place, kind, part in changes:
        index = int(place * len(pieces))
        pieces[index : index + (kind != "insert")] = [part] if kind != "delete" else []
        pieces = pieces or [""]
    return "".join(pieces)


_CHANGE = st.tuples(
    st.floats(0, 1, exclude_max=True), st.sampled_from(["insert", "delete", "replace"]), st.sampled_from(PARTS)
)
_MUTATED = st.builds(_mutated, _templates(), st.lists(_CHANGE, max_size=3))
_SOUP = st.lists(st.sampled_from(PARTS), max_size=8).map(lambda parts: "{{" + "".join(parts) + "}}")


@settings(max_examples=60, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.lists(st.one_of(_templates(), _MUTATED, _SOUP), min_size=1, max_size=25))
@example(["{{ if $value }}{{ else }}", "{{ $x }}"])
def test_promtool_says_the_same_of_templates_that_nobody_would_write(templates: list[str]) -> None:
    templates = [each for each in templates if not re.search(r"else\s+with", each)]  # a matter of the version
    said = refused(templates)

    for template in templates:
        assert (mistake(template) is not None) is (template in said), template
