"""``slo-engine doctor``: does each SLO have data that is counted, rules and traffic enough?"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import typer

from slo_engine import amounts
from slo_engine.cli import output
from slo_engine.cli.arguments import AsJson, ConfigFile, SloPaths, settings_here
from slo_engine.cli.exits import failures, usage_errors


def doctor(paths: SloPaths = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Ask Prometheus whether each SLO has data with its labels, rules that count all of it, and enough traffic.

    Exit 1 when something is wrong.
    """
    from slo_engine.checks.diagnosis import diagnose
    from slo_engine.definitions import load
    from slo_engine.prometheus import Prometheus
    from slo_engine.settings import load_settings, paths_in

    with usage_errors():
        settings = load_settings(config or settings_here(), sections=("slos", "prometheus"))
    with failures():
        slos = load(paths_in(settings, paths))
        with closing(Prometheus(settings.prometheus.connection())) as source:
            findings = list(diagnose(slos, source, datetime.now(UTC)))
    if as_json:
        output.json_document({"slos": len(slos.slos), "findings": [finding.as_json() for finding in findings]})
    for finding in [] if as_json else findings:
        output.line(f"{finding.problem}: {finding}")
    if findings:
        output.complain(amounts.count(len(findings), "finding"))
        raise typer.Exit(1)
    output.note(f"{amounts.count(len(slos.slos), 'SLO has', 'SLOs have')} data, rules and traffic enough")
