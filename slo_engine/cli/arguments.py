"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SloPaths = Annotated[
    list[Path] | None, typer.Argument(help="SLO files, or folders of them; else those of the settings.")
]
SloPathsHere = Annotated[
    list[Path] | None, typer.Argument(help="SLO files, or folders of them; ./slos if none is named.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="SLO_ENGINE_CONFIG",
        help="The settings file; ./slo-engine.yaml if it is there. SLO_ENGINE_... go over it.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def settings_here() -> Path | None:
    """``slo-engine.yaml`` in this folder, when no other file is named."""
    here = Path("slo-engine.yaml")
    return here if here.is_file() else None
