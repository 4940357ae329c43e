"""Inhibition rules for Alertmanager: whoever is paged needs no ticket for the same thing."""

from __future__ import annotations

from typing import Final

from slo_engine.definitions.labels import SERVICE, SEVERITY, SLO
from slo_engine.definitions.policies import Severity
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.recording.names import BURN_ALERT, EXHAUSTED_ALERT, SPEND_ALERT, SPEND_EXHAUSTED_ALERT
from slo_engine.rules.yaml_text import HEADER, as_yaml

_OURS: Final = f'{SERVICE}!=""'
"""An alert of another tool may have the same name and severity; and labels that neither of two has count as equal."""


def inhibitions(slos: SloSet) -> str:
    """A part of Alertmanager's configuration. A label that neither alert has counts as equal there, so one rule is
    right for SLOs that are divided by different labels; those whose severities have other names get one of their
    own."""
    labels = sorted({label for slo in slos.slos for label in slo.by})
    burning = [BURN_ALERT, SPEND_ALERT, *sorted({slo.alert for slo in slos.slos if slo.alert})]
    explained = [*burning, EXHAUSTED_ALERT, SPEND_EXHAUSTED_ALERT]
    named = sorted({(_name(slo, "page"), _name(slo, "ticket")) for slo in slos.slos}) or [("page", "ticket")]
    rules = [
        {
            "source_matchers": [f'alertname=~"{"|".join(burning)}"', f'{SEVERITY}="{page}"', _OURS],
            "target_matchers": [f'alertname=~"{"|".join(explained)}"', f'{SEVERITY}="{ticket}"', _OURS],
            "equal": [SERVICE, SLO, *labels],
        }
        for page, ticket in named
    ]
    return HEADER + as_yaml({"inhibit_rules": rules})


def _name(slo: Slo, severity: Severity) -> str:
    return slo.alerting[severity].severity or severity
