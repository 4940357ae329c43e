"""SLO files, on disk or in memory -> documents."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slo_engine.definitions.document import Document, read_document
from slo_engine.definitions.other_tools import foreign
from slo_engine.definitions.problems import Problem

MAX_FILE_BYTES = 2 * 1024 * 1024
"""A larger file is not an SLO file; 1,000 SLOs take about 400 KB."""

GENERATED = "# Written by slo-engine from SLO files."
"""How every file begins that is made from SLO files."""


@dataclass(frozen=True)
class Stream:
    """An SLO file that is read from an open descriptor when it is loaded. ``name``: under which its mistakes are
    reported."""

    name: str
    descriptor: int


Sources = str | Mapping[str, str] | Iterable[Path | Stream]
"""The text of an SLO file; or several, by the name under which their mistakes are reported; or files, folders and
streams."""


def documents(sources: Sources) -> tuple[list[Document], list[Problem]]:
    """What the sources hold, and what is wrong with the sources themselves."""
    if isinstance(sources, str):
        sources = {"<text>": sources}
    if isinstance(sources, Mapping):
        return [_document(Path(name), text.encode(errors="surrogatepass")) for name, text in sources.items()], []
    given = list(sources)
    streams = dict.fromkeys(each for each in given if isinstance(each, Stream))
    files, problems = find_files(each for each in given if not isinstance(each, Stream))
    return [*map(_read_stream, streams), *map(_read, files)], problems


def find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    """The YAML files at and under ``paths``, sorted; a path with none is a mistake. What is hidden under a folder stays
    out: Kubernetes keeps the files of a ConfigMap a second time, in a folder whose name begins with two dots."""
    files: dict[Path, None] = {}
    problems = []
    for path in paths:
        found = [path]
        if path.is_dir():
            found = [file for pattern in ("*.yaml", "*.yml") for file in path.rglob(pattern)]
            found = sorted(file for file in found if not _hidden(file.relative_to(path)))
        elif not path.exists():
            found = []
        files |= dict.fromkeys(found)
        if not found:
            what = "no SLO file here" if path.exists() else "this path does not exist"
            problems.append(Problem(path, 1, 1, "", f"{what}: name a .yaml file, or a folder that holds some"))
    return list(files), problems


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read(file: Path) -> Document:
    try:
        content = _content(file)
    except OSError as error:
        return _failed(file, f"cannot be read: {error.strerror}")
    return _failed(file, "is not a regular file: remove it") if content is None else _document(file, content)


def read_stream(stream: Stream) -> bytes:
    """What it holds, at most a byte more than is allowed. Raises OSError."""
    with open(stream.descriptor, "rb", closefd=False) as opened:
        return opened.read(MAX_FILE_BYTES + 1)


def _read_stream(stream: Stream) -> Document:
    file = Path(stream.name)
    try:
        return _document(file, read_stream(stream))
    except OSError as error:
        return _failed(file, f"cannot be read: {error.strerror}")


def _document(file: Path, content: bytes) -> Document:
    if len(content) > MAX_FILE_BYTES:
        return _failed(file, f"is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB: divide it")
    if content.startswith(GENERATED.encode()):
        return _failed(
            file, "is a generated file, not an SLO file: choose a folder for --out outside that of the SLO files"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        said = f"is not UTF-8 (byte {error.start + 1} of the file): save it as UTF-8"
        return _failed(file, said, line, column)
    if theirs := foreign(text):
        said = f"this is a file of {theirs.tool}: `slo-engine import {file} --out FOLDER` makes an SLO file of it"
        return Document(file, problems=[Problem(file, theirs.at.line, theirs.at.column, theirs.key, said)])
    return read_document(file, text)


def _failed(file: Path, message: str, line: int = 1, column: int = 1) -> Document:
    return Document(file, problems=[Problem(file, line, column, "", message)])


def _content(file: Path) -> bytes | None:
    """What a regular file holds, at most a byte more than is allowed; None for a pipe or a device, which would make the
    reader wait for ever."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as opened:  # noqa: PTH123 - by its descriptor
        return opened.read(MAX_FILE_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
