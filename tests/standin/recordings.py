"""Recorded answers of a real LangFuse 4.16.0, request beside response."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Recording:
    """One request, and what the server answered."""

    name: str
    method: str
    path: str
    parameters: dict[str, Any]
    status: int
    body: Any


def recording(mode: str, name: str) -> Recording:
    """One recording: ``recording("v4-events-only", "obs_v2_page1")``."""
    found = json.loads((FOLDER / mode / f"{name}.json").read_text())
    request = found["request"]
    return Recording(name, request["method"], request["path"], request["params"] or {}, found["status"], found["body"])


def recordings(mode: str) -> list[Recording]:
    """All recordings of one write mode of the server."""
    return [recording(mode, file.stem) for file in sorted((FOLDER / mode).glob("*.json"))]
