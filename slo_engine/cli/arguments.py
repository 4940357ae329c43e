"""Arguments and options that several commands take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from slo_engine.definitions import Stream

    SloFiles = Sequence[Path | Stream] | None
else:
    SloFiles = list[Path] | None
    """What typer reads of it; :func:`slo_file` makes each value."""

STANDARD = Path("-")
"""Standard input where something is read, standard output where something is written."""


def slo_file(text: str) -> Path | Stream:
    """A path, or standard input, which is not read before it is loaded: completion parses arguments, too."""
    from slo_engine.definitions.files import Stream  # which loads the YAML parser

    return Stream("<stdin>", 0) if text == "-" else Path(text)


SloPaths = Annotated[
    SloFiles,
    typer.Argument(
        parser=slo_file,
        metavar="FILES",
        help="SLO files, or folders of them; - is standard input. Else those of the settings.",
    ),
]
SloPathsHere = Annotated[
    SloFiles,
    typer.Argument(
        parser=slo_file,
        metavar="FILES",
        help="SLO files, or folders of them; - is standard input; ./slos if none is named.",
    ),
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
