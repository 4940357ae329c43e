"""The command line: thin, each command calling the rooms below. Commands import what they need when they run, so that
``--help`` does not pay for the service."""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point of ``slo-engine``."""
    try:
        from slo_engine.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("slo_engine"):
            raise
        print(  # noqa: T201 - the one line that must work without the extra
            f"slo-engine: {error.name} is not installed. The command line comes with the server extra: "
            "pip install 'slo-engine[server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    # Under `python -m slo_engine`, too, help and completion name the program that people type.
    app(prog_name="slo-engine")
