"""How long the command line, the import and the engine take to be there, and what the engine weighs."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.figure import Figure
from deploy.stack.processes import Process, free_port

REPEATS = 7
ROOT = Path(__file__).parent.parent


def figures() -> Iterator[Figure]:
    """CPU seconds of fresh interpreters, the least of several; the engine once."""
    bare = _cpu_seconds("-c", "pass")
    yield Figure("python -c pass, CPU", bare, "s")
    yield Figure("slo-engine --help, CPU", _cpu_seconds("-m", "slo_engine", "--help"), "s", 0.4, f"bare {bare:.3f} s")
    imported = _cpu_seconds("-c", "import slo_engine") - bare
    yield Figure("import slo_engine, CPU beyond bare Python", imported, "s", 0.05)
    client = _cpu_seconds("-c", "import prometheus_client") - bare
    monitoring = _cpu_seconds("-c", "import slo_engine.monitoring") - bare
    beside = f"prometheus_client {client:.3f} s, {monitoring / client:.2f} x"
    yield Figure("import slo_engine.monitoring, CPU", monitoring, "s", None, beside)
    yield from _engine()


def _cpu_seconds(*arguments: str) -> float:
    return min(_once(arguments) for _ in range(REPEATS))


def _once(arguments: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def _engine() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        port = free_port()
        settings = Path(folder) / "slo-engine.yaml"
        settings.write_text(
            f"slos: [{ROOT / 'slos'}]\n"
            f"store: {{url: sqlite:///{folder}/slo-engine.db}}\n"
            f"listen: {{port: {port}}}\n"
            f"prometheus: {{url: 'http://127.0.0.1:{free_port()}'}}\n"
        )
        started = time.monotonic()
        engine = stack.enter_context(
            Process(
                "engine",
                [sys.executable, "-m", "slo_engine", "serve", "--config", settings],
                log=Path(folder) / "engine.log",
                ready_url=f"http://127.0.0.1:{port}/readyz",
            )
        )
        ready = time.monotonic() - started
        time.sleep(3.0)  # the first runs of the clock
        resident = psutil.Process(engine.pid).memory_info().rss / 1024**2
    yield Figure("engine until /readyz says yes, wall", ready, "s", 5.0)
    yield Figure("engine with the default SLOs, resident", resident, "MB", 150.0)
