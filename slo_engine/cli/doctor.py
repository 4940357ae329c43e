"""``slo-engine doctor``: does each SLO have data that is counted, rules and traffic enough?"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import typer

from slo_engine import amounts
from slo_engine.cli import output
from slo_engine.cli.arguments import AsJson, ConfigFile, SloPaths, settings_here
from slo_engine.cli.exits import failures, usage_errors

if TYPE_CHECKING:
    from collections.abc import Collection

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
            findings = list(diagnose(slos, source, datetime.now(UTC)))
            without_rules = {(each.service, each.slo) for each in findings if each.problem in _SAY_NO_RULES}
            findings += _of_rules(slos, source, without_rules)
    if as_json:
        output.json_document({"slos": len(slos.slos), "findings": [finding.as_json() for finding in findings]})
    for finding in [] if as_json else findings:
        output.line(f"{finding.problem}: {finding}")
    if findings:
        output.complain(amounts.count(len(findings), "finding"))
        raise typer.Exit(1)
    output.note(f"{amounts.count(len(slos.slos), 'SLO has', 'SLOs have')} data, rules and traffic enough")


_SAY_NO_RULES: Final = frozenset({"no-rules", "late-samples"})
"""What is said of an SLO whose rules may not be there at all."""


def _of_rules(slos: SloSet, source: Prometheus, without_rules: Collection[tuple[str, str]]) -> list[Finding]:
    """Rules that are loaded and are not those of the SLO files, or are not evaluated as they should; and those that are
    missing while others are there, but of SLOs of which that is said already."""
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
    if not any(each.group.name in names for each in loaded.groups):
        return []  # nothing is rolled out yet
    of_groups: dict[tuple[str, str], list[RuleDifference]] = {}
    for each in (*compared(wanted, loaded.groups, advice), *loaded.failures):
        if each.group not in names:
            continue
        _, service, slo, *_ = each.group.split(":")
        if each.problem != "missing" or (service, slo) not in without_rules:
            of_groups.setdefault((service, slo), []).append(each)
    found = []
    for key, differences in sorted(of_groups.items()):
        more = len(differences) - 1
        rest = f" ({more} more: see `slo-engine rules check --prometheus URL`)" if more else ""
        found.append(Finding(*key, "other-rules", f"{differences[0]}{rest}"))
    return found
