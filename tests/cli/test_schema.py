"""``slo-engine schema``, its published copies, and the schema of the settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from slo_engine.cli.app import app
from slo_engine.cli.schema import Described, schema_text
from slo_engine.settings import Settings
from tests.docs.page import FOLDER, page

ROOT = Path(__file__).parents[2]
PUBLISHED = {Described.SLOS: "slo-file.json", Described.SETTINGS: "settings.json"}
SCHEMA = json.loads(schema_text(Described.SETTINGS))
VALIDATOR = Draft202012Validator(SCHEMA)


def _settings_of_the_docs() -> dict[str, Any]:
    found = {"deploy/slo-engine.yaml": yaml.safe_load((ROOT / "deploy/slo-engine.yaml").read_text())}
    for file in sorted(FOLDER.glob("*.md")):
        for number, block in enumerate(page(file.name).blocks("yaml")):
            data = yaml.safe_load(block)
            # `slos` is a key of SLO files, too.
            if isinstance(data, dict) and set(data) <= set(Settings.model_fields) - {"slos"}:
                found[f"{file.name} {number}"] = data
    return found


DOCUMENTED = _settings_of_the_docs()


@pytest.mark.parametrize("of", Described)
def test_the_published_copy_is_what_the_command_prints(of: Described) -> None:
    printed = CliRunner().invoke(app, ["schema", of.value])

    assert printed.exit_code == 0
    published = (FOLDER / "schemas" / PUBLISHED[of]).read_text(encoding="utf-8")
    assert printed.stdout == published, "run `make schemas`"


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    out = tmp_path / "schema.json"

    assert CliRunner().invoke(app, ["schema", "slos", "--out", str(out)]).exit_code == 0

    assert json.loads(out.read_text())["title"] == "slo-engine: an SLO file (slo-engine/v1)"


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["schema", "slos", "--out", str(tmp_path / "none" / "schema.json")])

    assert done.exit_code == 1
    assert "cannot be written: No such file or directory" in done.stderr


def test_that_of_the_settings_is_a_schema_of_its_draft() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_takes_the_settings_of_the_documentation(name: str) -> None:
    assert not [error.message for error in VALIDATOR.iter_errors(DOCUMENTED[name])]


def test_there_are_many_settings_in_the_documentation() -> None:
    assert len(DOCUMENTED) > 20


BROKEN = {
    "an unknown key": {"promtheus": {"url": "http://x"}},
    "an unknown key of a section": {"store": {"uri": "x"}},
    "a word for a number": {"listen": {"port": "many"}},
    "a number for a duration": {"status": {"interval": 60}},
    "a sink without a type": {"sinks": [{"name": "a"}]},
    "a sink of an unknown type": {"sinks": [{"name": "a", "type": "pidgeon"}]},
    "a sink without its secret": {"sinks": [{"name": "a", "type": "slack", "channel": "C1"}]},
    "a key of another type of sink": {"sinks": [{"name": "a", "type": "console", "channel": "C1"}]},
    "a list that is none": {"routes": {"sinks": "a"}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_refuses_settings_of_the_wrong_form(name: str) -> None:
    assert not VALIDATOR.is_valid(BROKEN[name])


def test_a_secret_may_be_read_from_a_file() -> None:
    assert VALIDATOR.is_valid({"sinks": [{"name": "a", "type": "slack", "channel": "C1", "token_file": "/x"}]})
    assert VALIDATOR.is_valid({"langfuse": {"secret_key_file": "/x"}, "store": {"password_file": "/x"}})


def test_the_environment_may_have_what_a_section_of_the_file_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"prometheus": {"basic_auth": {"username": "me"}}, "heartbeat": {"interval": "60s"}}
    monkeypatch.setenv("SLO_ENGINE_PROMETHEUS__BASIC_AUTH__PASSWORD", "secret")
    monkeypatch.setenv("SLO_ENGINE_HEARTBEAT__URL", "https://example.com/x")

    settings = Settings(**data)  # type: ignore[arg-type]

    assert settings.heartbeat is not None
    assert VALIDATOR.is_valid(data)


def test_every_key_says_what_it_means() -> None:
    models = [SCHEMA, *SCHEMA["$defs"].values()]
    mute = {
        name
        for model in models
        for name, key in model["properties"].items()
        if name != "type" and not key.get("description", "")[:1].strip("`")
    }

    assert not mute
