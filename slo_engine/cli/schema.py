"""``slo-engine schema``: JSON Schemas of the YAML that people write, for their editors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine.cli import output
from slo_engine.cli.exits import failures
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue


class Described(StrEnum):
    """What a schema is of."""

    SLOS = "slos"
    SETTINGS = "settings"


def schema(
    of: Annotated[Described, typer.Argument(help="SLO files, or the settings file of the engine.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; else standard output.")] = None,
) -> None:
    """Print the JSON Schema (draft 2020-12) of SLO files or of the settings: the same bytes for the same version."""
    text = schema_text(of)
    if out is None:
        output.line(text)
        return
    with failures():
        try:
            out.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise SloEngineError(f"{out} cannot be written: {error.strerror}") from None
    output.line(str(out))


def schema_text(of: Described) -> str:
    """The schema, as it is printed."""
    from slo_engine.definitions.json_schema import schema_of, slo_file_schema
    from slo_engine.settings import Settings

    made: Mapping[Described, Callable[[], JsonSchemaValue]] = {
        Described.SLOS: slo_file_schema,
        Described.SETTINGS: lambda: schema_of(Settings, "slo-engine: the settings file"),
    }
    return json.dumps(made[of](), indent=2, ensure_ascii=False)
