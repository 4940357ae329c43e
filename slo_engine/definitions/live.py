"""The SLO files of a running engine: read again when they change, and the last good set stays in force."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slo_engine.definitions.loading import examine, find_files
from slo_engine.definitions.problems import Problem
from slo_engine.definitions.slo import SloSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActiveSlos:
    """What the engine goes by. ``problems``: why the files on disk are not (all) in force."""

    slos: SloSet
    problems: Sequence[Problem] = ()


class LiveSlos:
    """The SLO set in force. Thread-safe."""

    def __init__(self, paths: Iterable[Path], on_change: Callable[[ActiveSlos], None] = lambda _: None) -> None:
        """Read the files. With mistakes in them, the SLOs that have none come into force: an engine that did not start
        would lose pages, which is worse than one that knows fewer SLOs."""
        self._paths = tuple(paths)
        self._on_change = on_change
        self._lock = threading.Lock()
        self._seen = self._fingerprint()
        loaded = examine(self._paths)
        self._adopt(ActiveSlos(loaded.slos, loaded.problems))

    @property
    def active(self) -> ActiveSlos:
        """The SLO set in force, and the mistakes on disk."""
        return self._in_force

    def reload(self) -> bool:
        """Read the files if they have changed. Returns whether they had. With mistakes in them nothing changes but the
        list of mistakes."""
        with self._lock:
            fingerprint = self._fingerprint()
            if fingerprint == self._seen:
                return False
            self._seen = fingerprint
            loaded = examine(self._paths)
            slos = self._in_force.slos if loaded.problems else loaded.slos
            self._adopt(ActiveSlos(slos, loaded.problems))
            return True

    def _adopt(self, active: ActiveSlos) -> None:
        self._in_force = active
        for problem in active.problems:
            logger.error("SLO file not in force: %s", problem)
        if not active.problems:
            logger.info("%d SLOs in force", len(active.slos.slos))
        self._on_change(active)

    def _fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        for file in find_files(self._paths)[0]:
            try:
                stat = file.stat()
            except OSError:
                found.append((str(file), 0, 0))  # gone, or not ours to read: loading it says why
            else:
                found.append((str(file), stat.st_mtime_ns, stat.st_size))
        return tuple(found)
