"""Writing SLO files for the tests."""

from __future__ import annotations

from pathlib import Path

EVENTS = "events: {total: runs_total, errors: 'runs_total{status!=\"success\"}'}"
"""An ``sli`` that holds no mistake."""


def slo(name: str = "success", *more: str, objective: float = 98) -> str:
    """One item of ``slos`` that holds no mistake, but for those in ``more``, its further lines."""
    lines = (f"- name: {name}", f"  objective: {objective:g}", f"  sli: {{{EVENTS}}}", *(f"  {line}" for line in more))
    return "\n".join(f"  {line}" for line in lines)


def slo_file(*items: str, service: str = "agents", head: str = "") -> str:
    """A file with these SLOs; ``head`` goes before them."""
    slos = "\n".join(("slos:", *(items or (slo(),))))
    return f"version: slo-engine/v1\nservice: {service}\n{head}{slos}\n"


def write(path: Path, text: str) -> Path:
    """Write a file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
