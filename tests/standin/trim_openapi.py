"""Makes ``openapi.yml`` of this folder from the official document of LangFuse 4.16.0 (497 KB):

    python -m tests.standin.trim_openapi web/public/generated/api/openapi.yml > tests/standin/openapi.yml

Kept, word for word: the requests of the endpoints below (their descriptions too: they are where the JSON of ``filter``
and of ``query`` is documented), and the schemas that those name. Left out: all other endpoints, answers, security.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

USED = {
    "/api/public/health": ("get",),
    "/api/public/projects": ("get",),
    "/api/public/scores": ("post",),
    "/api/public/v2/observations": ("get",),
    "/api/public/v2/metrics": ("get",),
    "/api/public/v3/scores": ("get",),
    "/api/public/observations": ("get",),
    "/api/public/traces": ("get",),
}
KEPT = ("operationId", "description", "parameters", "requestBody", "deprecated")


def trimmed(document: dict[str, Any]) -> dict[str, Any]:
    """The part of the document that is about the requests of the endpoints used."""
    paths = {
        path: {
            method: {
                key: document["paths"][path][method][key] for key in KEPT if key in document["paths"][path][method]
            }
            for method in methods
        }
        for path, methods in USED.items()
    }
    schemas: dict[str, Any] = {}
    waiting = named_in(paths)
    while waiting:
        name = waiting.pop()
        schemas[name] = document["components"]["schemas"][name]
        waiting |= named_in(schemas[name]) - schemas.keys()
    parts = {key: document[key] for key in ("openapi", "info")}
    return {**parts, "paths": paths, "components": {"schemas": dict(sorted(schemas.items()))}}


def named_in(part: Any) -> set[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(part, list):
        return set().union(*map(named_in, part))
    if not isinstance(part, dict):
        return set()
    here = {part["$ref"].rpartition("/")[2]} if "$ref" in part else set()
    return here.union(*map(named_in, part.values()))


class _Plain(yaml.SafeDumper):
    """Without anchors, and with texts of more than one line as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Plain.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


if __name__ == "__main__":
    whole = yaml.safe_load(Path(sys.argv[1]).read_text())
    sys.stdout.write(yaml.dump(trimmed(whole), Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True))
