"""What exporters show at /metrics, as files: their series, for promtool to replay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.rules.histories import counter

FOLDER = Path(__file__).parent / "expositions"

_SAMPLE = re.compile(r"(?P<series>(?P<name>[\w:]+)\{(?P<labels>.*)\}) (?P<value>\S+)\Z")
_LABEL = re.compile(r'(\w+)="')
_TYPE = re.compile(r"# TYPE (\S+) ")


@dataclass(frozen=True)
class Exposition:
    """The series of one file, and the names of metrics that may have none yet."""

    series: Mapping[str, float]
    labels: Mapping[str, frozenset[str]]
    """Metric name -> the labels that its series carry; none for a counter that has counted nothing."""

    def growing(self, minutes: int = 60) -> dict[str, str]:
        """A history in which every series grows by its value each minute, from 0 on."""
        return {name: counter((minutes, value)) for name, value in self.series.items()}


def read(name: str) -> Exposition:
    """Read ``expositions/name.prom``."""
    series: dict[str, float] = {}
    labels: dict[str, frozenset[str]] = {}
    for line in (FOLDER / f"{name}.prom").read_text(encoding="utf-8").splitlines():
        if declared := _TYPE.match(line):
            labels.setdefault(declared[1], frozenset())
        elif line and not line.startswith("#"):
            sample = _SAMPLE.match(line)
            assert sample, line
            series[sample["series"]] = float(sample["value"])
            labels[sample["name"]] = labels.get(sample["name"], frozenset()) | set(_LABEL.findall(sample["labels"]))
    return Exposition(series, labels)
