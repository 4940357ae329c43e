"""``make run``: the whole loop, until Ctrl-C."""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from deploy.stack.processes import StackError
from deploy.stack.stack import REPOSITORY, Options, Stack

FOLDER = REPOSITORY / ".stack"


def main() -> int:
    """Start the stack, say what to expect, wait. Returns the exit code."""
    parser = argparse.ArgumentParser(description="The whole loop on this machine.")
    parser.add_argument("--port", type=int, default=8090, help="of the engine; another one when it is taken")
    parser.add_argument("--incident-after", type=float, default=75.0, help="seconds")
    parser.add_argument("--incident-for", type=float, default=600.0, help="seconds")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for logs and data; emptied first")
    parser.add_argument("--until-page", action="store_true", help="end when the first enriched page has arrived")
    arguments = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # also where a shell has set SIGINT to be ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        lock = _own(arguments.folder)
    except BlockingIOError:
        print(f"another `make run` uses {arguments.folder}: end it first, or take another --folder", file=sys.stderr)
        return 1
    options = Options(
        folder=arguments.folder.resolve(),
        incident_after=arguments.incident_after,
        incident_for=arguments.incident_for,
        engine_port=_free(arguments.port),
        on_progress=lambda part: _say(f"starting  {part}"),
    )
    try:
        with Stack(options) as stack:
            _say(_welcome(stack, arguments.incident_after))
            _wait(stack, until_page=arguments.until_page)
    except KeyboardInterrupt:
        _say("\nstopped; every process has ended")
    except StackError as error:
        print(f"the stack has stopped: {error}", file=sys.stderr)
        return 1
    finally:
        lock.close()
    return 0


def _own(folder: Path) -> TextIO:
    """Empty the folder, and keep it for this process. Raises BlockingIOError when another one has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise
    for old in folder.iterdir():
        if old.name != "lock":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return lock


def _welcome(stack: Stack, incident_after: float) -> str:
    return f"""
  The loop is running.

    SLOs, budgets, notifications         {stack.engine_url}/
    notifications at the receiver        {stack.receiver_url}/
    Prometheus, its rules and alerts     {stack.prometheus.url}/
    Alertmanager                         {stack.alertmanager.url}/
    LangFuse                             {stack.langfuse_url}
    logs and data                        {stack.folder}

  In {incident_after:.0f} s a new prompt makes the search of support_agent fail; 45 s later batch_agent begins to
  spend in a loop, and another 45 s later a judge scores research_agent low. One to three minutes after each its SLO
  pages, with the reason (the scores after five: their objective leaves more room). Edit a file of slos/, and
  Prometheus runs its rules within a minute. Ctrl-C ends everything.
"""


def _wait(stack: Stack, *, until_page: bool) -> None:
    started = time.monotonic()
    seen: set[str] = set()
    while True:
        stack.raise_if_a_part_has_ended()
        for page in _pages(f"{stack.receiver_url}/pages"):
            if page["key"] in seen:
                continue
            seen.add(page["key"])
            after = time.monotonic() - started
            for line in _summary(page["message"]):
                _say(f"[{after // 60:.0f}:{after % 60:02.0f}]  {line}")
            if until_page and _causes(page["message"]):
                return
        time.sleep(1.0)


def _pages(url: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=5.0) as response:
            found: list[dict[str, Any]] = json.load(response)
            return found
    except (urllib.error.URLError, OSError):
        return []  # a part that has ended is reported by name, a moment later


def _summary(message: dict[str, Any]) -> list[str]:
    first = message["alerts"][0]["annotations"]
    answers = dict.fromkeys(alert["annotations"].get("slo_engine_answer") for alert in message["alerts"])
    said = [f"    {answer}" for answer in answers if answer]
    return [f"{message['status']}: {first.get('summary', message['alerts'][0]['labels'])}", *said]


def _causes(message: dict[str, Any]) -> list[str]:
    return [
        f"{cause['count']} of {subject['traces']['failed']}: {cause['what']}: {cause['message']}"
        for subject in message.get("enrichment", {}).get("subjects", [])
        if subject.get("traces")
        for cause in subject["traces"]["causes"]
    ]


def _free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a stack that has just ended is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            _say(f"port {port} is taken: the engine gets another one")
            return 0
    return port


_say: Callable[[str], None] = lambda text: print(text, flush=True)  # noqa: E731

if __name__ == "__main__":
    sys.exit(main())
