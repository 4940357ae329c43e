"""The rule sets that are compared: ours, Sloth's and Pyrra's form, and what their binaries really generate.

The forms follow slok/sloth 0.16 (examples/_gen/getting-started.yml: three groups, 17 rules, Prometheus' own interval)
and pyrra-dev/pyrra (slo/rules.go, ratio indicator: an increase group at an interval that grows with the window, and a
group of burn rates and alerts each 30 s). No two write the same series, so all live on one server.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from benchmarks.rules.ruleset import RuleSet, from_file, rule_set
from benchmarks.rules.traffic import METRIC
from slo_engine.definitions import Duration, load
from slo_engine.rules import AlertRule, RecordingRule, RuleGroup, build

OWNER = "ai-platform"
SERVICE = "support"
TOTAL, ERRORS = METRIC, f'{METRIC}{{status="error"}}'

SLOTH_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def ours(
    objective: float, owner: str = OWNER, *, service: str = SERVICE, offset: int = 0, sure: bool = True
) -> RuleSet:
    """What slo_engine.rules makes of one events SLO by agent type, over 30 days, policy google. ``offset``: how many
    milliseconds after the base the long group is evaluated. ``sure``: alerts wait until the errors are no accident."""
    data = {
        "version": "slo-engine/v1",
        "service": service,
        "owner": owner,
        "labels": {"tier": owner},
        "slos": [
            {
                "name": "success",
                "objective": objective,
                "window": "30d",
                "by": ["agent_type"],
                "sli": {"events": {"total": TOTAL, "errors": ERRORS}},
                "alerting": {"policy": "google", "sure": sure},
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "slos.yaml"
        file.write_text(yaml.safe_dump(data))
        groups = build(load([file]))
    return rule_set("ours", tuple(group for each in groups.values() for group in each), long_offset=offset)


def sloth_form(objective: float, owner: str = OWNER) -> RuleSet:
    """The same SLO as Sloth would write it."""
    identity = {"sloth_id": "support-form", "sloth_service": SERVICE, "sloth_slo": "form"}
    labels = {**identity, "owner": owner}
    this = "{" + ", ".join(f'{name}="{value}"' for name, value in identity.items()) + "}"
    ratios = [
        RecordingRule(
            f"slo:sli_error:ratio_rate{window}",
            f"(sum by (agent_type) (rate({ERRORS}[{window}]))) / (sum by (agent_type) (rate({TOTAL}[{window}])))",
            {**labels, "sloth_window": window},
        )
        for window in SLOTH_WINDOWS
    ]
    base = f"slo:sli_error:ratio_rate5m{this}[30d]"
    ratios.append(
        RecordingRule(
            "slo:sli_error:ratio_rate30d",
            f"sum_over_time({base}) / ignoring (sloth_window) count_over_time({base})",
            {**labels, "sloth_window": "30d"},
        )
    )
    budget = f"/ on (sloth_id, sloth_slo, sloth_service) group_left slo:error_budget:ratio{this}"
    target = f"{objective / 100:.12g}"
    meta = [
        RecordingRule("slo:objective:ratio", f"vector({target})", labels),
        RecordingRule("slo:error_budget:ratio", f"vector(1-{target})", labels),
        RecordingRule("slo:time_period:days", "vector(30)", labels),
        RecordingRule("slo:current_burn_rate:ratio", f"slo:sli_error:ratio_rate5m{this} {budget}", labels),
        RecordingRule("slo:period_burn_rate:ratio", f"slo:sli_error:ratio_rate30d{this} {budget}", labels),
        RecordingRule("slo:period_error_budget_remaining:ratio", f"1 - slo:period_burn_rate:ratio{this}", labels),
        RecordingRule("sloth_slo_info", "vector(1)", {**labels, "sloth_objective": f"{objective:g}"}),
    ]

    def burns(short: str, long: str, factor: float) -> str:
        return (
            "("
            + " and ".join(
                f"max(slo:sli_error:ratio_rate{window}{this} > ({factor:g} * {1 - objective / 100:.12g}))"
                " without (sloth_window)"
                for window in (short, long)
            )
            + ")"
        )

    alerts = [
        AlertRule(
            "HighErrorRate", f"{burns('5m', '1h', 14.4)} or {burns('30m', '6h', 6)}", {"sloth_severity": "page"}, {}
        ),
        AlertRule(
            "HighErrorRate", f"{burns('2h', '1d', 3)} or {burns('6h', '3d', 1)}", {"sloth_severity": "ticket"}, {}
        ),
    ]
    return rule_set(
        "Sloth's form",
        (
            RuleGroup("sloth-slo-sli-recordings-support-form", None, tuple(ratios)),
            RuleGroup("sloth-slo-meta-recordings-support-form", None, tuple(meta)),
            RuleGroup("sloth-slo-alerts-support-form", None, tuple(alerts)),
        ),
    )


PYRRA_TIERS = (
    # Windows(): (window of the SLO / this), rounded to the minute: short, long, for; factor. Divisors for 28 days.
    (28 * 24 * 12, 28 * 24, 28 * 24 * 30, 14),
    (28 * 24 * 2, 28 * 4, 28 * 24 * 4, 7),
    (28 * 12, 28, 28 * 24, 2),
    (28 * 4, 7, 28 * 8, 1),
)


def pyrra_form(objective: float) -> RuleSet:
    """The same SLO as Pyrra would write it, with grouping: its windows grow with that of the SLO."""
    slo = "form"
    metric = METRIC.removesuffix("_total")
    window = Duration.parse("30d")
    increase = RuleGroup(
        f"{slo}-increase",
        Duration.parse("150s"),
        (
            RecordingRule(
                f"{metric}:increase30d", f"sum by (agent_type, status) (increase({TOTAL}[{window}]))", {"slo": slo}
            ),
            AlertRule("SLOMetricAbsent", f"absent({TOTAL}) == 1", {"slo": slo, "severity": "critical"}, {}),
        ),
    )
    tiers = [
        (_minutes(window, short), _minutes(window, long), _minutes(window, held), factor)
        for short, long, held, factor in PYRRA_TIERS
    ]
    windows = sorted({each for short, long, _, _ in tiers for each in (short, long)})
    rates = [
        RecordingRule(
            f"{metric}:burnrate{each}",
            f"sum by (agent_type) (rate({ERRORS}[{each}])) / sum by (agent_type) (rate({TOTAL}[{each}]))",
            {"slo": slo},
        )
        for each in windows
    ]
    target = f"{objective / 100:.12g}"
    alerts = [
        AlertRule(
            "ErrorBudgetBurn",
            f'{metric}:burnrate{short}{{slo="{slo}"}} > ({factor} * (1-{target})) and '
            f'{metric}:burnrate{long}{{slo="{slo}"}} > ({factor} * (1-{target}))',
            {"slo": slo, "short": str(short), "long": str(long)},
            {},
            held,
        )
        for short, long, held, factor in tiers
    ]
    return rule_set("Pyrra's form", (increase, RuleGroup(slo, Duration.parse("30s"), (*rates, *alerts))))


def _minutes(window: Duration, divisor: int) -> Duration:
    return Duration(round(window.milliseconds / divisor / 60_000) * 60_000)


def generated(objective: float) -> list[RuleSet]:
    """What ``sloth`` and ``pyrra`` themselves make of the same SLO, as far as they are on PATH."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if shutil.which("sloth"):
            found.append(rule_set("Sloth itself", _generated_by_sloth(folder, objective)))
        if shutil.which("pyrra"):
            found.append(rule_set("Pyrra itself", _generated_by_pyrra(folder, objective)))
    return found


def _generated_by_sloth(folder: Path, objective: float) -> tuple[RuleGroup, ...]:
    window = "[{{.window}}]"
    spec = {
        "version": "prometheus/v1",
        "service": SERVICE,
        "labels": {"owner": OWNER},
        "slos": [
            {
                "name": "itself",
                "objective": objective,
                "sli": {
                    "events": {
                        "error_query": f"sum by (agent_type) (rate({ERRORS}{window}))",
                        "total_query": f"sum by (agent_type) (rate({TOTAL}{window}))",
                    }
                },
                "alerting": {"name": "HighErrorRate"},
            }
        ],
    }
    (folder / "sloth.yaml").write_text(yaml.safe_dump(spec))
    _run("sloth", "generate", "-i", str(folder / "sloth.yaml"), "-o", str(folder / "sloth-rules.yaml"))
    return from_file(folder / "sloth-rules.yaml")


def _generated_by_pyrra(folder: Path, objective: float) -> tuple[RuleGroup, ...]:
    spec = {
        "apiVersion": "pyrra.dev/v1alpha1",
        "kind": "ServiceLevelObjective",
        "metadata": {"name": "itself"},
        "spec": {
            "target": f"{objective:g}",
            "window": "30d",
            "indicator": {
                "ratio": {"errors": {"metric": ERRORS}, "total": {"metric": TOTAL}, "grouping": ["agent_type"]}
            },
        },
    }
    (folder / "pyrra").mkdir()
    (folder / "pyrra-rules").mkdir()
    (folder / "pyrra" / "itself.yaml").write_text(yaml.safe_dump(spec))
    _run(
        "pyrra",
        "generate",
        f"--config-files={folder / 'pyrra' / '*.yaml'}",
        f"--prometheus-folder={folder / 'pyrra-rules'}",
    )
    return from_file(folder / "pyrra-rules" / "itself.yaml")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}{done.stdout}")
