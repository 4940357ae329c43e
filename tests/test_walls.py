"""Every room stands in the contracts of import-linter: one that is in none of them may import what it likes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import slo_engine

PACKAGE = Path(slo_engine.__file__).parent
PROJECT = PACKAGE.parent / "pyproject.toml"

WITHOUT_A_LAYER = {
    "clock",
    "clock_steps",
    "connection_settings",
    "logs",
    "monitoring",
    "precedence",
    "replica",
    "settings",
    "telemetry",
    "worker",
}
"""``monitoring`` has two contracts of its own; the others are not part of the order of rooms yet."""


def rooms() -> set[str]:
    """Packages and modules that stand directly in the package, but for its own ``__init__`` and ``__main__``."""
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    return packages | modules


def contract(name: str) -> dict[str, Any]:
    contracts = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    found: dict[str, Any] = next(each for each in contracts if each["name"] == name)
    return found


def named(modules: list[str]) -> set[str]:
    return {module.removeprefix("slo_engine.") for module in modules}


def test_the_agents_library_and_the_scrubber_may_import_no_other_room() -> None:
    wall = contract("The agent's library imports the scrubber and no other room")
    assert named(wall["source_modules"]) == {"monitoring", "scrub"}
    assert named(wall["forbidden_modules"]) == rooms() - {"monitoring", "scrub"}


def test_no_room_may_import_the_agents_library() -> None:
    wall = contract("No room imports the agent's library")
    assert named(wall["forbidden_modules"]) == {"monitoring"}
    assert named(wall["source_modules"]) == rooms() - {"monitoring"}


def test_every_room_has_its_layer() -> None:
    layers = contract("Rooms import downwards only")["layers"]
    assert {room.strip() for layer in layers for room in layer.split("|")} == rooms() - WITHOUT_A_LAYER


def test_what_has_no_layer_exists() -> None:
    assert rooms() >= WITHOUT_A_LAYER


@pytest.mark.parametrize("room", ["monitoring", "scrub", "engine", "errors"])
def test_rooms_are_packages_and_modules(room: str) -> None:
    assert room in rooms()
