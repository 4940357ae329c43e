"""``slo-engine templates``: the ready SLIs on the metrics of other exporters."""

from __future__ import annotations

from slo_engine.cli import output
from slo_engine.cli.arguments import AsJson


def templates(as_json: AsJson = False) -> None:
    """List the templates: SLIs for LiteLLM, vLLM and OpenTelemetry, used as `sli: {template: NAME, ...}`."""
    from slo_engine.definitions.templates import TEMPLATES

    if as_json:
        output.json_document(
            [
                {
                    "name": each.name,
                    "description": each.description,
                    "parameters": [
                        {"name": name, "required": name in each.required, "description": meaning}
                        for name, meaning in each.keys.items()
                    ],
                    "by": list(each.by),
                    "page": each.page,
                }
                for each in TEMPLATES.values()
            ]
        )
        return
    for each in TEMPLATES.values():
        output.line(f"{each.name}\n    {each.description}")
        for name, meaning in each.keys.items():
            output.line(f"    {name}{' (required)' if name in each.required else ''}: {meaning}")
        output.line(f"    worth grouping by: {', '.join(each.by)}\n    {each.page}\n")
