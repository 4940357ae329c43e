"""The SLO files of a running engine: read again when they change; one that has mistakes changes nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slo_engine.definitions.files import find_files
from slo_engine.definitions.loading import examine
from slo_engine.definitions.problems import Problem
from slo_engine.definitions.slo import SloSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActiveSlos:
    """What the engine goes by."""

    slos: SloSet
    problems: Sequence[Problem] = ()
    """Why the files on disk are not (all) used."""
    is_whole: bool = True
    """Whether ``slos`` is all that the files held at some time, without a mistake; else there were mistakes at the
    start, and it is what was right."""


class LiveSlos:
    """The SLO set that is used. Thread-safe."""

    def __init__(self, paths: Iterable[Path], on_change: Callable[[ActiveSlos], None] = lambda _: None) -> None:
        """Read the files. With mistakes in them, the SLOs that have none are used: an engine that did not start would
        lose notifications, which is worse than one that knows fewer SLOs."""
        self._paths = tuple(paths)
        self._on_change = on_change
        self._lock = threading.Lock()
        self._seen = self._fingerprint()
        loaded = examine(self._paths)
        self._adopt(ActiveSlos(loaded.slos, loaded.problems, is_whole=not loaded.problems))

    @property
    def active(self) -> ActiveSlos:
        """The SLO set that is used, and the mistakes on disk."""
        return self._active

    def reload(self, *, force: bool = False) -> bool:
        """Read the files if they have changed, or in any case. Returns whether they were read. With mistakes in them
        nothing changes but the list of mistakes."""
        with self._lock:
            fingerprint = self._fingerprint()
            if fingerprint == self._seen and not force:
                return False
            self._seen = fingerprint
            loaded = examine(self._paths)
            if loaded.problems:
                self._adopt(replace(self._active, problems=loaded.problems))
            else:
                self._adopt(ActiveSlos(loaded.slos))
            return True

    def _adopt(self, active: ActiveSlos) -> None:
        self._active = active
        for problem in active.problems:
            logger.error("SLO file rejected; keeping the last valid configuration: %s", problem)
        if not active.problems:
            logger.info("%d SLOs loaded", len(active.slos.slos))
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
