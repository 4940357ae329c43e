"""``slo-engine doctor``: does each SLO have data that is counted, rules and traffic enough?"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from slo_engine import amounts
from slo_engine.cli import output
from slo_engine.cli.arguments import AsJson, ConfigFile, SloPaths, settings_here
from slo_engine.cli.exits import failures, usage_errors

if TYPE_CHECKING:
    from slo_engine.checks.finding import Finding
    from slo_engine.definitions import SloSet
    from slo_engine.prometheus import Prometheus
    from slo_engine.rollout.in_use import RuleDifference


def doctor(paths: SloPaths = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Ask Prometheus whether each SLO has data with its labels, its own rules that count all of it, and enough traffic.

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
            findings = [*diagnose(slos, source, datetime.now(UTC)), *_of_rules(slos, source)]
    if as_json:
        output.json_document({"slos": len(slos.slos), "findings": [finding.as_json() for finding in findings]})
    for finding in [] if as_json else findings:
        output.line(f"{finding.problem}: {finding}")
    if findings:
        output.complain(amounts.count(len(findings), "finding"))
        raise typer.Exit(1)
    output.note(f"{amounts.count(len(slos.slos), 'SLO has', 'SLOs have')} data, rules and traffic enough")


def _of_rules(slos: SloSet, source: Prometheus) -> list[Finding]:
    """Rules that are loaded and are not those of the SLO files, or are not evaluated as they should. Of those that are
    not there the other checks tell."""
    from slo_engine.checks.finding import Finding
    from slo_engine.prometheus import PrometheusError
    from slo_engine.rollout.in_use import Advice, NotPrometheusRulesError, compared, read_loaded, wanted_groups

    try:
        loaded = read_loaded(source.rule_groups())
    except (PrometheusError, NotPrometheusRulesError) as error:
        # Some that answer queries know nothing of rules: those are somewhere else.
        output.note(f"without the loaded rules: {error}")
        return []
    wanted = wanted_groups(slos)
    load = "have Prometheus reload them"
    advice = Advice(f"run `slo-engine rules generate`, and {load}", load)
    names = {group.name for group in wanted}
    of_groups: dict[tuple[str, str], list[RuleDifference]] = {}
    for each in (*compared(wanted, loaded.groups, advice), *loaded.failures):
        if each.group in names and each.problem != "missing":
            _, service, slo, *_ = each.group.split(":")
            of_groups.setdefault((service, slo), []).append(each)
    found = []
    for key, differences in sorted(of_groups.items()):
        more = len(differences) - 1
        rest = f" ({more} more: see `slo-engine rules check --prometheus URL`)" if more else ""
        found.append(Finding(*key, "other-rules", f"{differences[0]}{rest}"))
    return found
