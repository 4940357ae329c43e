"""Notes -> the comments of a file: each stands before the key that it is about, and what is to be said of several SLOs
stands once, at the top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slo_engine.convert.importers.draft import Draft
from slo_engine.convert.importers.source import Note, Source

MAX_NAMES = 8
"""So many names a comment gives at most."""


@dataclass
class Comments:
    """The comments at the top of a file, and those of its SLOs by the index of the SLO and its key."""

    head: list[str] = field(default_factory=list)
    slos: dict[tuple[int, str], list[str]] = field(default_factory=dict)

    def before(self, index: int, key: str) -> list[str]:
        """Those that stand before a key of an SLO."""
        return self.slos.get((index, key), [])

    def before_slo(self, index: int, keys: Iterable[str]) -> list[str]:
        """Those that stand before an SLO, which has these keys: about it as a whole, or about what it does not have."""
        found = [texts for (of, key), texts in self.slos.items() if of == index and key not in keys]
        return [text for texts in found for text in texts]


@dataclass(frozen=True)
class _Placed:
    note: Note
    index: int | None
    """The SLO that it belongs to; None where it belongs to the file."""
    key: str


def comments_of(drafts: Sequence[Draft], others: Sequence[Draft], sources: Iterable[tuple[Source, bool]]) -> Comments:
    """The comments of the file that these SLOs stand in. ``others`` stand in other files, with their own notes. Beside
    each source: whether what belongs to no SLO of it stands in this file."""
    subjects: dict[tuple[str, str, str], dict[tuple[Path, int, int], _Placed]] = {}
    for source, at_home in sources:
        for placed in _placed(drafts, others, source, at_home=at_home):
            places = subjects.setdefault(placed.note.subject, {})
            known = places.get(placed.note.place)
            if known is None or known.index is None:  # over an anchor one place may belong to an SLO and to the file
                places[placed.note.place] = placed
    comments = Comments()
    for places in subjects.values():
        _add(comments, list(places.values()), drafts)
    return comments


def _placed(drafts: Sequence[Draft], others: Sequence[Draft], source: Source, *, at_home: bool) -> Iterator[_Placed]:
    for remark in source.remarks:
        found = ((index, draft.key_of(source, remark.path)) for index, draft in enumerate(drafts))
        index, key = next(((index, key) for index, key in found if key is not None), (None, ""))
        if index is not None:
            yield _Placed(remark.note, index, remark.key or key)
        elif at_home and all(draft.key_of(source, remark.path) is None for draft in others):
            yield _Placed(remark.note, None, "")


def _add(comments: Comments, places: Sequence[_Placed], drafts: Sequence[Draft]) -> None:
    kind, _, message = places[0].note.subject
    of_slos = {placed.index: placed for placed in places if placed.index is not None}
    if len(of_slos) > 1:
        paths = _listed(dict.fromkeys(placed.note.shape for placed in places))
        names = (
            "all SLOs" if len(of_slos) == len(drafts) else _listed([drafts[index].name for index in sorted(of_slos)])
        )
        comments.head.append(f"{kind}: {paths} (of {names}): {message}")
        return
    said = f"{kind}: {_listed(dict.fromkeys(placed.note.path for placed in places))}: {message}"
    for index, placed in of_slos.items():
        comments.slos.setdefault((index, placed.key), []).append(said)
    if not of_slos:
        lines = _listed([f"{placed.note.problem.file}:{placed.note.problem.line}" for placed in places])
        comments.head.append(f"{lines}: {said}")


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = [f"{len(every) - MAX_NAMES} more"] if len(every) > MAX_NAMES else []
    return ", ".join([*every[:MAX_NAMES], *more])
