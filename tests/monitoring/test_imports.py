"""What an agent pays for the import."""

from __future__ import annotations

import json
import subprocess
import sys

LISTED = (
    "import sys, json; import {module}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
)


def loaded_by(module: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LISTED.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": ""},
    )
    return set(json.loads(done.stdout))


def test_the_monitoring_library_loads_the_standard_library_prometheus_client_and_itself_only() -> None:
    third_party = loaded_by("slo_engine.monitoring") - loaded_by("prometheus_client") - set(sys.stdlib_module_names)
    assert third_party == {"slo_engine"}


def test_the_package_itself_loads_nothing() -> None:
    assert loaded_by("slo_engine") - loaded_by("json") - set(sys.stdlib_module_names) == {"slo_engine"}
