"""Series of the past in the database of a real Prometheus."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.stack.processes import program


def backfill(folder: Path, series: Mapping[str, Mapping[int, float]]) -> None:
    """Write series (as in an exposition) with their samples (Unix time -> value) to ``folder / "data"``, before a
    Prometheus starts there."""
    text = folder / "history.om"
    lines = [f"{name} {value!r} {at}" for name, samples in series.items() for at, value in samples.items()]
    text.write_text("\n".join([*lines, "# EOF\n"]), encoding="utf-8")
    blocks = ["tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics"]
    command: list[str | Path] = [program("promtool", "prometheus"), *blocks]
    subprocess.run([*command, str(text), str(folder / "data")], check=True, capture_output=True, timeout=120)
