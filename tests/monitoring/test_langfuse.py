"""Traces through the real LangFuse SDK into the stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from deploy.stack.processes import answers, free_port
from deploy.stack.standin.app import StandIn
from tests.waiting import wait_for

AGENT = """
from slo_engine.monitoring import AgentMonitor
from langfuse import get_client

def run(fails):
    try:
        with AgentMonitor("support_agent") as run:
            run.record_llm_call("gpt-5-mini", input_tokens=9, output_tokens=3, cost_usd=0.001)
            with run.tool("search"):
                if fails:
                    raise TimeoutError("index did not answer")
    except TimeoutError:
        pass
    return run.trace_id

print([run(False), run(True)])
get_client().flush()
"""


@pytest.fixture(scope="module")
def langfuse() -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(StandIn().app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    wait_for("the stand-in", lambda: answers(f"{url}/api/public/health"), within=10)
    yield url
    server.should_exit = True
    thread.join()


def observations(url: str) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{url}/api/public/v2/observations",
        params={"fields": "core,basic,model,usage,trace_context"},
        auth=("pk-lf-local", "sk-lf-local"),
    )
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def test_a_run_is_a_trace_with_its_steps_tags_and_errors(langfuse: str) -> None:
    environment = {
        "LANGFUSE_PUBLIC_KEY": "pk-lf-local",
        "LANGFUSE_SECRET_KEY": "sk-lf-local",
        "LANGFUSE_BASE_URL": langfuse,
        "PATH": "",
    }
    done = subprocess.run([sys.executable, "-c", AGENT], capture_output=True, text=True, check=True, env=environment)
    good, bad = json.loads(done.stdout.replace("'", '"'))

    def all_six() -> list[dict[str, Any]] | None:
        rows = observations(langfuse)
        return rows if len(rows) == 6 else None

    found = wait_for("six observations", all_six, within=10)
    steps = {(row["traceId"], row["type"]): row for row in found}
    assert set(steps) == {(trace, kind) for trace in (good, bad) for kind in ("AGENT", "GENERATION", "TOOL")}
    assert all(row["tags"] == ["agent_type:support_agent"] for row in found)
    assert all(row["traceName"] == "support_agent" for row in found)
    assert {row["level"] for row in found if row["traceId"] == good} == {"DEFAULT"}
    for kind in ("AGENT", "TOOL"):
        assert steps[bad, kind]["level"] == "ERROR"
        assert steps[bad, kind]["statusMessage"] == "TimeoutError: index did not answer"
    assert steps[bad, "TOOL"]["name"] == "search"
    assert steps[good, "GENERATION"]["usageDetails"] == {"input": 9, "output": 3}
    assert steps[good, "GENERATION"]["totalCost"] == 0.001


def test_a_backend_where_nobody_listens_does_not_slow_the_agent() -> None:
    environment = {
        "LANGFUSE_PUBLIC_KEY": "pk-lf-local",
        "LANGFUSE_SECRET_KEY": "sk-lf-local",
        "LANGFUSE_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "PATH": "",
    }
    timed = AGENT.replace("print(", "import time; run(False); begun = time.perf_counter(); print(").replace(
        "get_client().flush()", "print(time.perf_counter() - begun); import os; os._exit(0)"
    )
    timed = timed.replace("import os; os._exit(0)", "import sys, os; sys.stdout.flush(); os._exit(0)")
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True, env=environment)
    assert float(done.stdout.splitlines()[1]) < 1.0
    assert time.monotonic() - started < 30
