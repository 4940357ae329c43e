"""SLO files of other tools -> files of ours, with comments where something has no exact equivalent.

A format is a module that gives the SLOs of its objects as drafts (``drafts``), and a row in :data:`FORMATS`; which
objects are its own stands in :mod:`slo_engine.definitions.other_tools`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slo_engine.convert.importers import openslo, pyrra, sloth
from slo_engine.convert.importers.draft import Draft, plain_name
from slo_engine.convert.importers.files import Refused, SloFile, files_of
from slo_engine.convert.importers.source import MalformedError, Node, Note, Source, read_sources, said_once
from slo_engine.definitions.files import Stream, find_files
from slo_engine.definitions.other_tools import format_of
from slo_engine.definitions.problems import SloFileError
from slo_engine.errors import SloEngineError

__all__ = ["FORMATS", "Imported", "Note", "NothingToImportError", "Refused", "SloFile", "import_files"]


FORMATS: Mapping[str, Callable[[Iterable[Node], str | None], Iterator[Draft]]] = {
    "sloth": sloth.drafts,
    "openslo": openslo.drafts,
    "pyrra": pyrra.drafts,
}


class NothingToImportError(SloEngineError):
    """Files that hold no SLO of a format that is read."""


@dataclass(frozen=True)
class Imported:
    """What became of the sources."""

    files: tuple[SloFile, ...]
    notes: tuple[Note, ...]
    """Everything that was not imported or that changed, in reading order, and each once. It stands in a file as a
    comment, too."""

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The SLOs that could not be imported at all."""
        return tuple(refused for file in self.files for refused in file.refused)


def import_files(
    given: Iterable[Path | Stream], format_name: str | None = None, service: str | None = None
) -> Imported:
    """Read files, folders of them and streams; by their own word, or all as one format. ``service`` is that of SLOs
    whose format has none. Raises SpecError for what cannot be read, NothingToImportError where no SLO is found."""
    given = list(given)
    streams = [each for each in given if isinstance(each, Stream)]
    files, problems = find_files(each for each in given if not isinstance(each, Stream))
    sources: list[Source] = []
    each_once: Sequence[Path | Stream] = (*dict.fromkeys(streams), *files)
    for each in each_once:
        found, mistakes = read_sources(each)
        sources += found
        problems += mistakes
    if problems:
        raise SloFileError(problems)
    try:
        drafts = list(_drafts(sources, format_name, None if service is None else plain_name(service)))
    except MalformedError as error:
        raise SloFileError([error.problem]) from None
    for source in sources:
        source.leave_the_rest()
    if not drafts:
        said = "".join(f"\n{note.problem}" for source in sources for note in source.notes)
        names = [*(each.name for each in streams), *map(str, files)]
        raise NothingToImportError(f"no SLO of {', '.join(FORMATS)} in {', '.join(names)}{said}")
    slo_files = files_of(drafts, sources)
    return Imported(slo_files, tuple(said_once(note for source in sources for note in source.notes)))


def _drafts(sources: Iterable[Source], format_name: str | None, service: str | None) -> Iterator[Draft]:
    found: dict[str, list[Node]] = {name: [] for name in FORMATS}
    for source in sources:
        for node in source.objects():
            name = _format_of(node, format_name)
            if name is None:
                node.leave(f"is not a document of {format_name or ', '.join(FORMATS)}: see its version or apiVersion")
            else:
                found[name].append(node)
    for name, nodes in found.items():
        yield from FORMATS[name](nodes, service)


def _format_of(node: Node, wanted: str | None) -> str | None:
    if not isinstance(node.value, dict):
        return None
    name = format_of(node.value)
    if wanted and name is None and not node.holds("apiVersion", "version"):
        return wanted  # it does not say what it is, and the caller does
    return name if wanted in (None, name) else None
