"""A shop whose agents run: its SLO file, its series, and its alerts, which follow the burn rate alone."""

from __future__ import annotations

from tests.rules.histories import counter
from tests.rules.promtool import Expectation, nothing, true

_FILE = """
version: slo-engine/v1
service: shop
owner: sales
labels: {tier: "1"}
defaults: {window: 30d, by: [agent_type], objective: 99, alerting: {sure: false}}
slos:
  - name: runs
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
    # more
policies:
  - name: page-at-5x
    tiers:
      - {severity: page, long: 1h, short: 5m, factor: 5}
      - {severity: ticket, long: 3d, short: 6h, factor: 1}
"""


def slo_file(*more: str) -> str:
    """The shop's SLO file: 99 % of runs end well, for each agent. ``more``: further keys of that SLO."""
    return _FILE.replace("# more", "\n    ".join(more))


def runs(*stretches: tuple[int, float, float], agent_type: str = "chat") -> dict[str, str]:
    """The series of an agent: for so many minutes, so many runs a minute, of which this share fails."""
    return {
        f'runs_total{{agent_type="{agent_type}",status="ok"}}': counter(
            *((minutes, runs * (1 - failing)) for minutes, runs, failing in stretches)
        ),
        f'runs_total{{agent_type="{agent_type}",status="error"}}': counter(
            *((minutes, runs * failing) for minutes, runs, failing in stretches)
        ),
    }


def firing(**labels: str) -> str:
    """The alerts that fire and carry these labels."""
    wanted = {"alertstate": "firing", **labels}
    return "ALERTS{" + ",".join(f'{label}="{value}"' for label, value in wanted.items()) + "}"


def never(at: str, **labels: str) -> Expectation:
    """No alert with these labels has fired up to then."""
    return nothing(at, f"count_over_time({firing(**labels)}[30d])")


def first_fires(at: str, earliest: float, latest: float, **labels: str) -> tuple[Expectation, Expectation]:
    """The alert fires for the first time between these minutes of the history."""
    first = f"min(min_over_time(timestamp({firing(**labels)})[{at}:1m])) / 60"
    return true(at, f"{first} >= bool {earliest!r}"), true(at, f"{first} <= bool {latest!r}")
