"""Grafana dashboards of what the monitoring library, the rules and the engine record, as JSON. Pure.

A dashboard is a module and a row of `DASHBOARDS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

from slo_engine.dashboards.agents import AGENTS
from slo_engine.dashboards.detail import detail
from slo_engine.dashboards.engine import ENGINE
from slo_engine.dashboards.model import Dashboard
from slo_engine.dashboards.overview import OVERVIEW
from slo_engine.dashboards.provisioning import Datasource, dashboards_file, datasources_file
from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError

DASHBOARDS: tuple[Callable[[SloSet], Dashboard], ...] = (
    lambda _: AGENTS,
    lambda _: OVERVIEW,
    detail,
    lambda _: ENGINE,
)

__all__ = ["DASHBOARDS", "Datasource", "render"]


def render(slos: SloSet, source: Datasource) -> Mapping[str, str]:
    """The files that Grafana reads, by their path: dashboards and what provisions them. The same for the same SLOs.

    Raises SloEngineError where grafana-foundation-sdk is not installed.
    """
    try:
        with warnings.catch_warnings():
            # It recommends its second format when it is imported, which Grafana 11 and older do not know.
            warnings.simplefilter("ignore", DeprecationWarning)
            from slo_engine.dashboards.grafana import as_json
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("grafana_foundation_sdk"):
            raise
        raise SloEngineError(
            "dashboards need grafana-foundation-sdk, which is not installed: pip install 'slo-engine[dashboards]'"
        ) from None
    pages = [page(slos) for page in DASHBOARDS]
    return {
        **{f"dashboards/{page.uid}.json": as_json(page, source.uid) for page in pages},
        "provisioning/dashboards/slo-engine.yaml": dashboards_file(),
        "provisioning/datasources/slo-engine.yaml": datasources_file(source),
    }
