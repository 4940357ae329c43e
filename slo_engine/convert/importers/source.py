"""Files of other tools as trees that remember what was read of them.

An importer takes from a :class:`Node` what it translates, and says with :meth:`Node.leave` what it leaves out and why.
Whatever is neither is found by :meth:`Source.leave_the_rest`: no key of a source is lost without a word, whichever
importer read it and whatever the key is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from slo_engine.definitions.document import Document, Position, read_document
from slo_engine.definitions.files import MAX_FILE_BYTES, Stream, read_stream
from slo_engine.definitions.problems import KeyPath, Problem, show_path
from slo_engine.errors import SloEngineError

_LINE = re.compile(r"[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029]|\Z)")
"""A line as libyaml counts lines."""

_INDEX = re.compile(r"\[\d+\]")

_GO_BOOLEANS = {
    True: ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"),
    False: ("n", "N", "no", "No", "NO", "off", "Off", "OFF"),
}
"""The truth values of YAML 1.1: github.com/go-yaml/yaml, ``decode.go``."""

_UNKNOWN = "nothing here stands for it: check whether it matters"


@dataclass(frozen=True)
class Note:
    """What a reader of the imported file must know. ``not imported``: nothing stands for it. ``changed``: what stands
    for it is not quite the same."""

    kind: Literal["not imported", "changed"]
    problem: Problem
    also: tuple[Problem, ...] = ()
    """Where else the same is to be said."""

    @property
    def place(self) -> tuple[Path, int, int]:
        """File, line and column."""
        return self.problem.file, self.problem.line, self.problem.column

    @property
    def path(self) -> str:
        """What it is about."""
        return self.problem.path or "the document"

    @property
    def shape(self) -> str:
        """What it is about, in whichever item of a list: ``slos[].alerting.name``."""
        return _INDEX.sub("[]", self.path)

    @property
    def subject(self) -> tuple[str, str, str]:
        """What it says of which key, whichever SLO that stands in: notes with one subject are said once."""
        return self.kind, self.shape.rpartition(".")[2].rstrip("[]"), self.problem.message

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.problem.message}"


def said_once(notes: Iterable[Note]) -> list[Note]:
    """These notes in reading order. Of those that say the same of the same key there is the first, which names the
    places of the others; a place that several paths lead to, over aliases and merge keys, is one place."""
    found: dict[tuple[str, str, str], dict[tuple[Path, int, int], Note]] = {}
    for note in sorted(notes, key=lambda note: note.problem):
        found.setdefault(note.subject, {}).setdefault(note.place, note)
    return [
        replace(first, also=tuple(other.problem for other in others))
        for first, *others in (list(places.values()) for places in found.values())
    ]


@dataclass(frozen=True)
class Remark:
    """A note with what it is about: the path in the source and, where that does not tell it, the key of our SLO."""

    path: KeyPath
    note: Note
    key: str | None = None


class MalformedError(SloEngineError):
    """A value of a kind that its key does not take, or one that is missing."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


@dataclass
class Source:
    """One YAML document, what was read of it, and what there is to say about it."""

    document: Document
    remarks: list[Remark] = field(default_factory=list)
    _read: set[KeyPath] = field(default_factory=set)
    _opened: set[KeyPath] = field(default_factory=set)

    @property
    def root(self) -> Node:
        """The whole document."""
        return Node(self, (), self.document.data)

    def objects(self) -> Iterator[Node]:
        """The objects of the document: itself, the items of a list of them, or those of a Kubernetes ``List``."""
        root = self.root
        if isinstance(root.value, list):
            yield from root.items()
        elif root.holds("items") and str(root.value.get("kind", "")).endswith("List"):
            for key in ("apiVersion", "kind", "metadata"):
                root.ignore(key)
            yield from root.at("items").items()
        else:
            yield root

    def leave_the_rest(self) -> None:
        """Make a note of everything that nothing has read: of a mapping or list as a whole where no part of it was.
        What was read over an alias or a merge key was read where its anchor is, too."""
        read_at = {self.document.position(path) for path in self._read | self._opened}
        for path in self._untouched((), self.document.data, read_at):
            self.say("not imported", path, _UNKNOWN)

    @property
    def notes(self) -> list[Note]:
        """The notes, in the order in which they were made."""
        return [remark.note for remark in self.remarks]

    def say(
        self, kind: Literal["not imported", "changed"], path: KeyPath, message: str, key: str | None = None
    ) -> None:
        """Make a note of what stands at ``path``, once."""
        remark = Remark(path, Note(kind, self.document.problem(path, message, at_key=True)), key)
        if remark not in self.remarks:
            self.remarks.append(remark)

    def _untouched(self, path: KeyPath, value: Any, read_at: Set[Position | None]) -> Iterator[KeyPath]:
        if path in self._read:
            return
        if path not in self._opened and self.document.position(path) in read_at:
            return  # read, as far as it was, under another path
        if path not in self._opened and not self._holds_what_was_read(path, value, read_at):
            yield path
            return
        for key, child in _children(value):
            yield from self._untouched((*path, key), child, read_at)

    def _holds_what_was_read(self, path: KeyPath, value: Any, read_at: Set[Position | None]) -> bool:
        return any(
            self.document.position((*path, key)) in read_at or self._holds_what_was_read((*path, key), child, read_at)
            for key, child in _children(value)
        )

    def take_back(self, path: KeyPath, count: int) -> None:
        """Take back what was said of the values in ``path`` after the first ``count`` remarks."""
        kept = [remark for remark in self.remarks[count:] if remark.path[: len(path)] != path]
        self.remarks[count:] = kept


def _children(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


@dataclass(frozen=True)
class Node:
    """A value in a source. Taking it marks it as read."""

    source: Source
    path: KeyPath
    value: Any

    @property
    def position(self) -> Position:
        """Where it stands."""
        problem = self.problem("")
        return Position(problem.line, problem.column)

    @property
    def where(self) -> str:
        """``file:line``"""
        return f"{self.source.document.file}:{self.position.line}"

    @property
    def was_read(self) -> bool:
        """Whether it, or a part of it, has been read."""
        return self.path in self.source._opened or self.path in self.source._read

    def problem(self, message: str) -> Problem:
        """A mistake at this value."""
        return self.source.document.problem(self.path, message)

    def holds(self, *keys: str) -> bool:
        """Whether it is a mapping with one of these keys. Reads nothing."""
        return isinstance(self.value, dict) and any(self.value.get(key) is not None for key in keys)

    def find(self, key: str) -> Node | None:
        """The value of a key; None where there is none."""
        if self.value is None:
            self._mark_read()
            return None
        if not isinstance(self.value, dict):
            raise MalformedError(self.problem("must be a mapping of keys and values"))
        self.source._opened.add(self.path)
        if key not in self.value:
            return None
        node = Node(self.source, (*self.path, key), self.value[key])
        if node.value is None:
            node._mark_read()
            return None
        return node

    def at(self, key: str) -> Node:
        """The value of a key. Raises MalformedError where there is none."""
        node = self.find(key)
        if node is None:
            raise MalformedError(self.problem(f"{key} is missing"))
        return node

    def items(self) -> list[Node]:
        """The items of a list."""
        if not isinstance(self.value, list):
            raise MalformedError(self.problem("must be a list"))
        self.source._opened.add(self.path)
        return [Node(self.source, (*self.path, index), item) for index, item in enumerate(self.value)]

    def text(self) -> str:
        """A text; a number or a truth value as it is written."""
        if isinstance(self.value, dict | list) or self.value is None:
            raise MalformedError(self.problem("must be text"))
        self._mark_read()
        return self.source.document.written(self.path) or str(self.value)

    def number(self) -> float:
        """A number, in quotes or not."""
        text = self.text()
        try:
            number = float(self.value if type(self.value) in (int, float) else text)
        except (ValueError, OverflowError):
            number = float("nan")
        if number != number or number in (float("inf"), float("-inf")):
            raise MalformedError(self.problem("must be a number"))
        return number

    def flag(self) -> bool:
        """``true`` or ``false``, or what Go's parsers take for them where a truth value is asked for."""
        value = next((value for value, words in _GO_BOOLEANS.items() if self.value in words), self.value)
        if not isinstance(value, bool):
            raise MalformedError(self.problem("must be true or false"))
        self._mark_read()
        return value

    def entries(self) -> Mapping[str, Node]:
        """The keys of a mapping, each with its value."""
        if self.value is None:
            self._mark_read()
            return {}
        if not isinstance(self.value, dict):
            raise MalformedError(self.problem("must be a mapping of keys and values"))
        self.source._opened.add(self.path)
        return {key: Node(self.source, (*self.path, key), value) for key, value in self.value.items()}

    def ignore(self, *keys: str) -> None:
        """Read these keys, which say nothing about the SLO (the version of the format, say)."""
        for key in keys:
            if node := self.find(key):
                node._mark_read()

    def take(self) -> Any:
        """All of it, as it stands."""
        self._mark_read()
        return self.value

    def leave(self, why: str) -> None:
        """Leave it out, with a note that says why and what to do."""
        self._mark_read()
        self.source.say("not imported", self.path, why)

    def leave_key(self, key: str, why: str) -> None:
        """Leave one key out, if it is there."""
        if node := self.find(key):
            node.leave(why)

    def changed(self, message: str, key: str | None = None) -> None:
        """What stands for it here is not quite the same. ``key``: that of our SLO, where the path does not tell it."""
        self.source.say("changed", self.path, message, key)

    def _mark_read(self) -> None:
        self.source._read.add(self.path)

    def __str__(self) -> str:
        return show_path(self.path)


def read_sources(given: Path | Stream) -> tuple[list[Source], list[Problem]]:
    """The documents of a file, with their lines as the file counts them; and its mistakes."""
    file = Path(given.name) if isinstance(given, Stream) else given
    try:
        text = _text(given, file)
    except MalformedError as error:
        return [], [error.problem]
    documents = [read_document(file, part, as_go=True) for part in _documents(text)]
    problems = [problem for document in documents for problem in document.problems]
    return [Source(document) for document in documents if document.data is not None], problems


def _text(given: Path | Stream, file: Path) -> str:
    def failed(message: str) -> MalformedError:
        return MalformedError(Problem(file, 1, 1, "", message))

    try:
        if isinstance(given, Stream):
            content = read_stream(given)
        elif file.is_file():
            with file.open("rb") as opened:
                content = opened.read(MAX_FILE_BYTES + 1)
        else:
            raise failed("is not a regular file: name a YAML file")
    except OSError as error:
        raise failed(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise failed(f"is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB: divide it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise failed(f"is not UTF-8 (byte {error.start + 1} of the file): save it as UTF-8") from None


def _documents(text: str) -> list[str]:
    """The documents of a text. Each begins with as many empty lines as stand before it, so that positions are right."""
    begins = [0, *_begins(text)]
    lines = _LINE.findall(text)
    ends = [*begins[1:], len(lines)]
    return ["\n" * begin + "".join(lines[begin:end]) for begin, end in zip(begins, ends, strict=True) if begin < end]


def _begins(text: str) -> Iterator[int]:
    """The lines, but the first, at which documents begin, as far as the text can be read."""
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            if isinstance(event, yaml.DocumentStartEvent) and event.start_mark and event.start_mark.line:
                yield event.start_mark.line
    except yaml.YAMLError:
        return  # what follows is read again, with the last document, for the message
