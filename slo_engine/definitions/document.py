"""YAML with positions: the data of a file, and the line and column of every key and value in it.

PyYAML's C composer gives nodes with marks; the scalars are read by the rules of YAML 1.2 (so ``no``, ``1:30`` and
``2026-01-01`` stay strings). What a configuration file never needs and an attacker likes is refused: tags, merge keys,
several documents, recursion, deep nesting, alias bombs. Duplicate keys are mistakes, with the line of the first.

Files of other tools are read as Go's parsers (yaml.v2, yaml.v3) read them: merge keys are followed, and what is asked
for as text is the text that was written, ``1.10`` and ``yes``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from slo_engine.definitions.problems import KeyPath, Problem, show_path
from slo_engine.definitions.scalars import offset_in_source

MAX_DEPTH = 64
"""Nesting beyond this is not an SLO file; checked on the event stream, before anything recurses."""

MAX_NODES = 100_000
"""Values after alias expansion. 1,000 SLOs need about 20,000; ten lines of nested aliases make 10^9."""

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_MERGE = "<<"
_MERGE_TAG = "tag:yaml.org,2002:merge"
"""``!!merge``, which some tools put before the key when they write a file anew."""

_SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")


@dataclass(frozen=True)
class Position:
    """Line and column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Text:
    """A scalar, and where it stands in the file: in characters from 0."""

    value: str
    style: str | None
    start: int
    end: int


@dataclass
class Document:
    """One file as data, with the position of every key and value, and the mistakes found while reading it."""

    file: Path
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    _keys: dict[KeyPath, Position] = field(default_factory=dict)
    _values: dict[KeyPath, Position] = field(default_factory=dict)
    _written: dict[KeyPath, str] = field(default_factory=dict)
    _texts: dict[KeyPath, _Text] = field(default_factory=dict)
    _source: str = ""

    def position(self, path: KeyPath) -> Position | None:
        """Where the value at ``path`` is written: of one behind an alias or a merge key, where the anchor is."""
        return self._values.get(path)

    def written(self, path: KeyPath) -> str | None:
        """The text of a scalar that was taken for something else, such as ``1.10`` for a number. Only of a document
        that was read as Go's parsers read it."""
        return self._written.get(path)

    def holds(self, path: KeyPath) -> bool:
        """Whether the file has a value at ``path``."""
        return path in self._values

    def problem(self, path: KeyPath, message: str, *, at_key: bool = False) -> Problem:
        """A mistake at ``path``: at its value, or at its key; where the path ends early, at what there is of it."""
        for length in range(len(path), -1, -1):
            known = path[:length]
            exact = length == len(path)
            position = (self._keys if at_key and exact else self._values).get(known) or self._values.get(known)
            if position is not None:
                return Problem(self.file, position.line, position.column, show_path(path), message)
        return Problem(self.file, 1, 1, show_path(path), message)

    def problem_within(self, path: KeyPath, at: int, message: str) -> Problem:
        """A mistake at a character of the text at ``path``; at the beginning of the text where that is not known."""
        text, start = self._texts.get(path), self._values.get(path)
        if text is None or start is None:
            return self.problem(path, message)
        source = self._source[text.start : text.end]
        offset = offset_in_source(source, text.style, text.value, at)
        if offset is None:
            return self.problem(path, message)
        line, column = start.line + source.count("\n", 0, offset), offset - source.rfind("\n", 0, offset)
        if line == start.line:
            column = start.column + offset
        return Problem(self.file, line, column, show_path(path), message)


def read_document(file: Path, text: str, *, as_go: bool = False) -> Document:
    """Read one YAML file. Never raises for what the text holds: look at ``problems`` before using ``data``. ``as_go``:
    a file of another tool, as Go's parsers read it."""
    document = Document(file)
    document._values[()] = Position(1, 1)
    document._source = text.removeprefix("\ufeff")  # libyaml counts from behind it
    try:
        if _within_limits(document, text, as_go=as_go):
            node = yaml.compose(text, Loader=yaml.CBaseLoader)
            if node is not None:
                document.data = _Reader(document, as_go=as_go).read(node, ())
    except yaml.MarkedYAMLError as error:
        document.problems.append(_not_yaml(file, text, error))
    except yaml.reader.ReaderError as error:
        before = text.encode()[: error.position].decode(errors="ignore")  # libyaml counts bytes
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        document.problems.append(
            Problem(file, line, column, "", f"a character that YAML does not allow ({error.reason}): remove it")
        )
    except _RefusedError as error:
        document.problems.append(error.problem)
    return document


class _RefusedError(Exception):
    """The aliases of a file multiply, nest or contain themselves: there is no data to go on with."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def _not_yaml(file: Path, text: str, error: yaml.MarkedYAMLError) -> Problem:
    why = " ".join(part for part in (error.context, error.problem) if part)
    mark, begun = error.problem_mark or error.context_mark, error.context_mark
    lines = text.splitlines()
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    if begun and mark and mark.line > begun.line:
        if "expected ',' or" in why or mark.line >= len(lines):
            why += f" (up to line {mark.line + 1})"
            mark = begun  # what is not closed is of interest, not where that came to light
        else:
            why += f" (begun in line {begun.line + 1})"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if mark and lines and mark.line >= len(lines):  # behind the end: the last thing in the file lacks something
        line, column = len(lines), len(lines[-1].rstrip())
    advice = next((advice for sign, advice in _ADVICE.items() if sign in why), "")
    if mark and "cannot start any token" in why:
        character = text.splitlines()[mark.line][mark.column]
        advice = _NO_TABS if character == "\t" else f"put a value that begins with {character} in quotes"
    return Problem(file, line, column, "", f"not readable as YAML: {why}" + (f": {advice}" if advice else ""))


_NO_TABS = "indent with spaces, not with tabs"
_ADVICE = {
    "mapping values are not allowed": "put a value that holds a colon in quotes, and check the indentation",
    "found undefined alias": "put a value that begins with * in quotes",
    "found duplicate anchor": "give the second one another name",
    "unexpected end of stream": "close the quotes",
    "expected ',' or": "close the bracket, separate items by commas, and put values that hold brackets in quotes",
    "did not find expected node content": "a value is missing, or a bracket is not closed",
    "did not find expected key": "check the indentation, and put values that hold quotes or brackets in quotes",
    "did not find expected '-' indicator": "check the indentation; the items of a list begin with - in one column",
}
"""What to do about the mistakes that libyaml reports, by a part of its message."""


def _within_limits(document: Document, text: str, *, as_go: bool) -> bool:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        mark = event.start_mark
        at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        message = None
        if depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels: an SLO file needs fewer than ten"
        elif documents > 1:
            message = "a second document: put it into a file of its own"
        elif (tag := getattr(event, "tag", None)) and not (as_go and tag == _MERGE_TAG):
            message = f"the tag {tag!r} is not used in SLO files: remove it"
        if message:
            document.problems.append(Problem(document.file, at.line, at.column, "", message))
            return False
    return True


class _Reader:
    def __init__(self, document: Document, *, as_go: bool) -> None:
        self._document = document
        self._as_go = as_go
        self._nodes = 0
        self._open: set[int] = set()

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            many = f"more than {MAX_NODES:,} values, with aliases written out: divide the file, or use fewer aliases"
            raise _RefusedError(self._document.problem(path[:1], many, at_key=True))
        if len(path) > MAX_DEPTH:
            deep = f"aliases nest deeper than {MAX_DEPTH} levels: write the values out"
            raise _RefusedError(self._document.problem(path[:1], deep, at_key=True))
        self._document._values.setdefault(path, _start(node))
        if path == ():
            self._document._values[()] = _start(node)
        if id(node) in self._open:
            itself = "an alias that contains itself: write the value out"
            raise _RefusedError(self._document.problem(path, itself))
        if isinstance(node, yaml.ScalarNode):
            place = node.start_mark.index, node.end_mark.index
            self._document._texts[path] = _Text(str(node.value), node.style, *place)
            value = _scalar(node)
            if self._as_go and not isinstance(value, str | None):
                self._document._written[path] = str(node.value)
            return value
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, path, "a key must be a plain word")
                continue
            key = str(key_node.value)
            key_path = (*path, key)
            if _merges(key_node) and self._as_go:
                merged.append((key_node, value_node))
            elif _merges(key_node):
                self._refuse(key_node, path, "merge keys are not part of YAML 1.2: write the keys out, or use defaults")
            elif key in data:
                first = self._document._keys[key_path].line
                self._refuse(key_node, key_path, f"the key {key!r} stands here a second time (first in line {first})")
            else:
                self._document._keys[key_path] = _start(key_node)
                data[key] = self.read(value_node, key_path)
        for key_node, value_node in merged:
            self._merge(key_node, value_node, path, data)
        return data

    def _merge(self, at: yaml.Node, node: yaml.Node, path: KeyPath, data: dict[str, Any]) -> None:
        """Add the keys of a mapping that ``data`` lacks: what a mapping says itself counts before what it merges, and
        of a list of mappings the first."""
        self._nodes += 1
        if id(node) in self._open or len(self._open) > 2 * MAX_DEPTH or self._nodes > MAX_NODES:
            endless = "merge keys multiply, nest or merge themselves here: write the keys out"
            raise _RefusedError(self._document.problem(path, endless))
        if isinstance(node, yaml.SequenceNode) and all(isinstance(each, yaml.MappingNode) for each in node.value):
            for each in node.value:
                self._merge(at, each, path, data)
        elif isinstance(node, yaml.MappingNode):
            self._open.add(id(node))
            own = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)]
            for key_node, value_node in own:
                key = str(key_node.value)
                if not _merges(key_node) and key not in data:
                    self._document._keys[(*path, key)] = _start(key_node)
                    data[key] = self.read(value_node, (*path, key))
            for key_node, value_node in own:
                if _merges(key_node):
                    self._merge(key_node, value_node, path, data)
            self._open.discard(id(node))
        else:
            self._refuse(at, path, "a merge key takes a mapping, or a list of mappings: write the keys out")

    def _refuse(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        at = _start(node)
        self._document.problems.append(Problem(self._document.file, at.line, at.column, show_path(path), message))


def _merges(key: yaml.ScalarNode) -> bool:
    return bool(key.value == _MERGE and (not key.style or key.tag == _MERGE_TAG))


def _start(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    text = str(node.value)
    if node.style:  # quoted or a block: always a string
        return text
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.match(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        # CPython refuses to convert absurdly long digit strings; such a "number" is a string here.
        return int(text, base) if len(text) < 100 else text
    if _FLOAT.match(text):
        return float(text)
    if special := _SPECIAL_FLOAT.match(text):
        return float("nan") if special.group(3) else float(f"{special.group(1)}inf")
    return text
