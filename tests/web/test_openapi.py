"""Whatever the description of the API allows, and much that it does not, is answered without a failure of the server:
schemathesis asks a real engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.engine import get, machine

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=30)]

CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance"


def test_no_request_makes_the_server_fail(tmp_path: Path) -> None:
    with machine(tmp_path) as running:
        running.start_engine()
        described = f"{running.engine_url}/api/v1/openapi.json"
        options = ["--checks", CHECKS, "--seed", "1", "--generation-deterministic", "--max-examples", "20"]
        run = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", described, *options, "--no-color"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
        # All of them were asked, and the engine still works.
        assert len(get(described)["paths"]) >= 10
        assert get(f"{running.engine_url}/readyz")["ready"] is True
        assert running.post(b"{}") == 200
