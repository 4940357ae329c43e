"""A folder of generated files: written, and compared with what the SLO files say."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slo_engine.definitions.slo import SloSet
from slo_engine.errors import SloEngineError
from slo_engine.rollout.layout import Layout, render
from slo_engine.rules.yaml_text import HEADER


@dataclass(frozen=True)
class Written:
    """What writing has changed."""

    files: list[Path]
    removed: list[Path]
    """Files of ours that these SLO files, laid out like this, do not give."""


@dataclass(frozen=True)
class Drift:
    """A generated file that is not what the SLO files say."""

    file: Path
    diff: str


def write(slos: SloSet, folder: Path, layout: Layout | None = None) -> Written:
    """Write the rules of an SLO set, laid out like this. See :func:`write_files`."""
    return write_files(render(slos, layout), folder)


def write_files(files: Mapping[str, str], folder: Path) -> Written:
    """Write generated files, each one whole or not at all, and remove those of ours that are not needed any more.

    A file in the folder that slo-engine did not write is left alone. Raises SloEngineError when one has a name that is
    needed; nothing is written then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _replaced(folder, files)
    except OSError as error:
        raise SloEngineError(f"{error.filename or folder} cannot be written: {error.strerror}") from None


def _replaced(folder: Path, files: Mapping[str, str]) -> Written:
    stale = {path.name for path in folder.glob("*.yaml") if _is_ours(path)} - files.keys()
    if foreign := [folder / name for name in files if _exists(folder / name) and not _is_ours(folder / name)]:
        raise SloEngineError(
            "\n".join(f"{path} was not written by slo-engine: move it, or choose another folder" for path in foreign)
        )
    unfinished = {folder / f".{name}.part": folder / name for name in files}
    try:
        for part, text in zip(unfinished, files.values(), strict=True):
            part.write_bytes(text.encode())
        for part, path in unfinished.items():
            part.replace(path)
    except OSError:
        for part in unfinished:
            part.unlink(missing_ok=True)
        raise
    for name in stale:
        (folder / name).unlink()
    return Written([folder / name for name in files], [folder / name for name in sorted(stale)])


def check(slos: SloSet, folder: Path, layout: Layout | None = None) -> list[Drift]:
    """Compare the files in ``folder`` with what the SLO set gives. See :func:`check_files`."""
    return check_files(render(slos, layout), folder)


def check_files(files: Mapping[str, str], folder: Path) -> list[Drift]:
    """Compare the files in ``folder``, byte by byte, with what they should be: changed, missing and left-over ones.
    Raises SloEngineError for a file that cannot be read."""
    wanted = {name: text.encode() for name, text in files.items()}
    try:
        found = {path.name: path.read_bytes() for path in folder.glob("*.yaml") if _is_ours(path)}
        # A hand edit may have removed the header: a file with a name of ours is compared whatever it holds.
        found |= {name: (folder / name).read_bytes() for name in wanted if _exists(folder / name)}
    except OSError as error:
        raise SloEngineError(f"{error.filename or folder} cannot be read: {error.strerror}") from None
    return [
        Drift(folder / name, _diff(folder / name, found.get(name, b""), wanted.get(name, b"")))
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]


def _diff(file: Path, found: bytes, wanted: bytes) -> str:
    return "".join(
        difflib.unified_diff(
            _shown(found),
            _shown(wanted),
            f"{file} (on disk)",
            f"{file} (from the SLO files)",
        )
    )


def _shown(content: bytes) -> list[str]:
    # What is not UTF-8 is a drift, not a failure; and a carriage return is one that nobody would see.
    text = content.decode(errors="replace").replace("\r", "\\r")
    return text.splitlines(keepends=True)


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline() == HEADER
