"""Inhibition rules for Alertmanager: whoever is paged needs no ticket for the same thing."""

from __future__ import annotations

from slo_engine.definitions.labels import SERVICE, SEVERITY, SLO
from slo_engine.definitions.slo import SloSet
from slo_engine.recording.names import BURN_ALERT, EXHAUSTED_ALERT, SPEND_ALERT, SPEND_EXHAUSTED_ALERT
from slo_engine.rules.yaml_text import HEADER, as_yaml

_BURNING = "|".join((BURN_ALERT, SPEND_ALERT))
_EXPLAINED = "|".join((BURN_ALERT, SPEND_ALERT, EXHAUSTED_ALERT, SPEND_EXHAUSTED_ALERT))


def inhibitions(slos: SloSet) -> str:
    """A part of Alertmanager's configuration. A label that neither alert has counts as equal there, so one rule is
    right for SLOs that are divided by different labels."""
    labels = sorted({label for slo in slos.slos for label in slo.by})
    rule = {
        "source_matchers": [f'alertname=~"{_BURNING}"', f'{SEVERITY}="page"'],
        "target_matchers": [f'alertname=~"{_EXPLAINED}"', f'{SEVERITY}="ticket"'],
        "equal": [SERVICE, SLO, *labels],
    }
    return HEADER + as_yaml({"inhibit_rules": [rule]})
