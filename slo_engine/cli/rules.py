"""``slo-engine rules``: write what Prometheus loads, and say where what is in use differs from the SLO files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine import amounts
from slo_engine.cli import diff, github, output, rules_push
from slo_engine.cli.arguments import STANDARD, AsJson, ConfigFile, SloPathsHere, settings_here
from slo_engine.cli.connections import (
    CaFile,
    ClientCert,
    ClientKey,
    ConnectionOptions,
    Header,
    InsecureSkipVerify,
    Proxy,
    ProxyUserFile,
    TokenFile,
    UserFile,
)
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.cli.github import AsGithub
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from slo_engine.connect import Connection
    from slo_engine.definitions import SloSet
    from slo_engine.rollout import Layout
    from slo_engine.rollout.in_use import Advice, RuleDifference

app = typer.Typer(help="Rules for Prometheus: written, checked and pushed.", no_args_is_help=True)

TESTS = "tests"
"""The folder of the unit tests, in that of the rule files: they name them as ../SERVICE.yaml."""


class OutputFormat(StrEnum):
    """What the files are."""

    FILES = "files"
    PROMETHEUSRULE = "prometheusrule"
    CONFIGMAP = "configmap"


OutFolder = Annotated[Path, typer.Option("--out", "-o", help="The folder of the generated files.")]
OutFolderOrStandard = Annotated[
    Path, typer.Option("--out", "-o", help="The folder to write to; - prints everything on standard output.")
]
ChosenFormat = Annotated[
    OutputFormat,
    typer.Option("--format", "-f", help="Rule files, or manifests for the Prometheus operator or any Kubernetes."),
]
OneFile = Annotated[
    str | None,
    typer.Option("--one-file", metavar="NAME", help="One file (and manifest) of this name instead of one a service."),
]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="The namespace of the manifests.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="KEY=VALUE", help="A label of the manifests, as ruleSelector asks for it."),
]
Manifests = Annotated[
    list[Path] | None,
    typer.Option("--manifest", "-m", help="Compare these manifests by meaning instead; - is standard input."),
]
PrometheusUrl = Annotated[
    str | None,
    typer.Option("--prometheus", metavar="URL", help="Compare what this Prometheus has loaded instead."),
]
WithTests = Annotated[
    bool, typer.Option("--tests", help="With promtool unit tests of the rule files, in the folder `tests` in theirs.")
]


@app.command()
def generate(
    paths: SloPathsHere = None,
    out: OutFolderOrStandard = Path("rules"),
    format_: ChosenFormat = OutputFormat.FILES,
    one_file: OneFile = None,
    namespace: Namespace = None,
    label: Labels = None,
    tests: WithTests = False,
) -> None:
    """Write rule files or manifests: one for each service, the same bytes for the same SLO files.

    The folder belongs to these SLO files: what slo-engine wrote there for other services is removed.
    """
    from slo_engine.definitions import load
    from slo_engine.rollout.files import write, write_files
    from slo_engine.rules.unit_tests import unit_tests

    with usage_errors():
        layout = _layout(format_, one_file, namespace, label)
        _refuse_tests_of_other_files(layout, tests=tests)
        if tests and out == STANDARD:
            raise SloEngineError("--tests are files that name the rule files: name a folder with --out")
    with failures():
        slos = load(paths or [Path("slos")])
        if out == STANDARD:
            output.line(_in_one(slos, layout))
            return
        written = [write(slos, out, layout)]
        if tests:
            written.append(write_files(unit_tests(slos), out / TESTS))
    for file in (file for each in written for file in each.files):
        output.line(str(file))
    for file in (file for each in written for file in each.removed):
        output.note(f"removed {file}: it holds nothing of these SLO files in this layout")


@app.command()
def check(
    paths: SloPathsHere = None,
    out: OutFolder = Path("rules"),
    format_: ChosenFormat = OutputFormat.FILES,
    one_file: OneFile = None,
    namespace: Namespace = None,
    label: Labels = None,
    manifest: Manifests = None,
    prometheus: PrometheusUrl = None,
    token_file: TokenFile = None,
    user_file: UserFile = None,
    header: Header = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    insecure_skip_verify: InsecureSkipVerify = False,
    proxy: Proxy = None,
    proxy_user_file: ProxyUserFile = None,
    config: ConfigFile = None,
    tests: WithTests = False,
    as_json: AsJson = False,
    as_github: AsGithub = False,
) -> None:
    """Compare the generated files, manifests of a cluster or a running Prometheus with the SLO files; exit 1 with a
    diff or the findings where they differ.

    What the options of the connection to Prometheus leave open is read from `prometheus` in the settings.
    """
    from slo_engine.definitions import load

    options = ConnectionOptions(
        token_file, user_file, header, ca_file, client_cert, client_key, insecure_skip_verify, proxy, proxy_user_file
    )
    with usage_errors():
        layout = _layout(format_, one_file, namespace, label)
        _refuse_tests_of_other_files(layout, tests=tests)
        if manifest and prometheus:
            raise SloEngineError("--manifest and --prometheus: give one of them")
        if options.are_given and not prometheus:
            raise SloEngineError("--token-file and the other options of a connection go with --prometheus")
        connection = _connection(prometheus, config, options) if prometheus else None
        texts = {_shown(path): _text(path) for path in manifest or ()}
    form = _Form(as_json, as_github)
    with github.failures(as_github=as_github):
        slos = load(paths or [Path("slos")])
        if connection:
            _report(_in_prometheus(slos, connection), "the loaded rules are what the SLO files say", form)
        elif texts:
            _report(_in_manifests(slos, texts), "the manifests are what the SLO files say", form)
        else:
            _check_folder(slos, out, layout, form, tests=tests)


@dataclass(frozen=True)
class _Form:
    """How findings are printed; neither: for people."""

    as_json: bool
    as_github: bool


@app.command("test")
def run_unit_tests(out: OutFolder = Path("rules"), as_json: AsJson = False) -> None:
    """Run the unit tests of the rule files with promtool, which must be installed; exit 1 where one fails."""
    from slo_engine.rollout.promtool import run_tests

    with usage_errors():
        files = sorted((out / TESTS).glob("*.yaml"))
        if not files:
            raise SloEngineError(f"no tests in {out / TESTS}: write them with `slo-engine rules generate --tests`")
    verdicts = {}
    with failures(), output.progress("testing", files, quiet=as_json) as remaining:
        for file in remaining:
            verdicts[file] = result = run_tests(file)
            if not as_json:
                output.line(f"{file}: {'passed' if result.passed else 'FAILED'}")
                if not result.passed:
                    output.line(result.said)
    if as_json:
        tests = [{"file": str(file), "passed": each.passed, "said": each.said} for file, each in verdicts.items()]
        output.json_document({"tests": tests})
    if not all(each.passed for each in verdicts.values()):
        raise typer.Exit(1)


app.command("push")(rules_push.push)


@app.command()
def inhibitions(paths: SloPathsHere = None) -> None:
    """Print inhibition rules for Alertmanager: a ticket is quiet while the page of the same SLO and group fires."""
    from slo_engine.definitions import load
    from slo_engine.rules.inhibitions import inhibitions as written

    with failures():
        output.line(written(load(paths or [Path("slos")])).rstrip("\n"))


def _in_one(slos: SloSet, layout: Layout) -> str:
    """Everything that is generated, as one text. Rule files become one, for Prometheus reads no second document of a
    file; manifests become a stream of documents, as kubectl reads it."""
    from dataclasses import replace

    from slo_engine.rollout import render

    if layout.format == OutputFormat.FILES:
        layout = replace(layout, one_file=layout.one_file or "slo-engine")
    return "---\n".join(render(slos, layout).values()).rstrip("\n")


def _refuse_tests_of_other_files(layout: Layout, *, tests: bool) -> None:
    if tests and (layout.format != "files" or layout.one_file):
        raise SloEngineError("--tests is for rule files, one for each service: leave out --format and --one-file")


def _check_folder(slos: SloSet, out: Path, layout: Layout, form: _Form, *, tests: bool) -> None:
    from slo_engine.rollout.files import check as find_drift
    from slo_engine.rollout.files import check_files
    from slo_engine.rules.unit_tests import unit_tests

    drifts = find_drift(slos, out, layout)
    if tests:
        drifts += check_files(unit_tests(slos), out / TESTS)
    if form.as_json:
        findings = [{"problem": "drift", "where": str(drift.file), "diff": drift.diff} for drift in drifts]
        output.json_document({"findings": findings})
    for drift in [] if form.as_json else drifts:
        if form.as_github:
            output.line(github.of_drift(drift))
        else:
            diff.show(drift.diff)
    if drifts:
        differing = amounts.count(len(drifts), "rule file is", "rule files are")
        output.complain(f"{differing} not what the SLO files say: run `slo-engine rules generate`")
        raise typer.Exit(1)
    output.note("the rule files are what the SLO files say")


def _connection(url: str, config: Path | None, options: ConnectionOptions) -> Connection:
    from slo_engine.settings import load_settings

    return options.connection(
        "--prometheus", url, settings=load_settings(config or settings_here(), sections=("prometheus",)).prometheus
    )


def _in_prometheus(slos: SloSet, connection: Connection) -> list[RuleDifference]:
    from slo_engine.prometheus import Prometheus
    from slo_engine.rollout.in_use import compared, read_loaded, wanted_groups

    with closing(Prometheus(connection)) as door:
        loaded = read_loaded(door.rule_groups())
    if loaded.pending:
        pending = amounts.count(loaded.pending, "rule has", "rules have")
        output.note(f"{pending} not been evaluated yet: look again after the interval")
    return [*compared(wanted_groups(slos), loaded.groups, _advice("reload Prometheus")), *loaded.failures]


def _in_manifests(slos: SloSet, texts: Mapping[str, str]) -> list[RuleDifference]:
    from slo_engine.rollout.in_use import compared, read_manifests, wanted_groups

    found = [placed for name, text in texts.items() for placed in read_manifests(name, text)]
    return compared(wanted_groups(slos), found, _advice("apply the manifests"))


def _advice(load: str) -> Advice:
    from slo_engine.rollout.in_use import Advice

    return Advice(f"run `slo-engine rules generate`, and {load}", load)


def _report(findings: Sequence[RuleDifference], fine: str, form: _Form) -> None:
    if form.as_json:
        output.json_document({"findings": [finding.as_json() for finding in findings]})
    else:
        for finding in findings:
            said = f"{finding.problem}: {finding}"
            output.line(github.of_finding(said) if form.as_github else said)
    if findings:
        output.complain(amounts.count(len(findings), "finding"))
        raise typer.Exit(1)
    output.note(fine)


def _layout(format_: OutputFormat, one_file: str | None, namespace: str | None, labels: Sequence[str] | None) -> Layout:
    from slo_engine.rollout import Layout, Metadata

    if format_ is OutputFormat.FILES and (namespace or labels):
        raise SloEngineError("--namespace and --label are for manifests: add --format prometheusrule or configmap")
    return Layout(format_.value, one_file, Metadata(namespace, dict(_pairs(labels or ()))))


def _pairs(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    for label in labels:
        key, equals, value = label.partition("=")
        if not equals:
            raise SloEngineError(f"--label {label}: write KEY=VALUE, such as release=prometheus")
        yield key, value


def _shown(path: Path) -> str:
    return "standard input" if path == STANDARD else str(path)


def _text(path: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if path == STANDARD else path.read_bytes()
        return content.decode()
    except OSError as error:
        raise SloEngineError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SloEngineError(f"{_shown(path)} is not UTF-8") from None
