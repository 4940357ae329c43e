"""``slo-engine templates``, for people and for scripts."""

from __future__ import annotations

import json

from slo_engine.definitions.templates import TEMPLATES
from tests.cli.test_commands import run


def test_templates_are_listed_with_their_parameters() -> None:
    shown = run("templates").stdout
    assert all(f"{name}\n" in shown for name in TEMPLATES)
    assert "threshold (required): good up to this" in shown


def test_templates_as_json_for_scripts() -> None:
    listed = {each["name"]: each for each in json.loads(run("templates", "--json").stdout)}
    assert list(listed) == list(TEMPLATES)
    spend = listed["litellm/spend"]
    assert {each["name"]: each["required"] for each in spend["parameters"]} == {
        "where": False,
        "budget": True,
        "month": False,
    }
    assert "team_alias" in spend["by"]
    assert spend["page"].startswith("https://")
