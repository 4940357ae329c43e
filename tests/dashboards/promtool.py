"""What an expression gives, by the real promtool."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.stack.processes import program

Samples = Mapping[str, float]
"""Labels as PromQL writes them, ``{agent_type="a"}`` -> value."""


def expect(folder: Path, series: Mapping[str, str], expected: Mapping[str, Samples], *, at: str = "10m") -> None:
    """Each of these expressions gives these samples, to six digits, and no other one."""
    case: dict[str, Any] = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"round({expr}, 0.000001)",
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
            }
            for expr, samples in expected.items()
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run(
        [program("promtool", "prometheus"), "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
