"""The objects of OpenSLO files by kind and name, and how one refers to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slo_engine.convert.importers.source import MalformedError, Node


class UnresolvedError(MalformedError):
    """A reference to an object that is not in these files. What refers to it is not imported; the rest is."""

    def __init__(self, reference: Node, kind: str) -> None:
        self.reference = reference
        self.missing = (
            f"there is no {kind} named {reference.text()!r} in these files: import the file that holds it too"
        )
        super().__init__(reference.problem(self.missing))


class Objects:
    """All objects of all files."""

    def __init__(self, objects: Iterable[Node]) -> None:
        self._all = list(objects)
        self._by_name: dict[tuple[str, str], Node] = {}
        for node in self._all:
            if isinstance(metadata := node.value.get("metadata"), dict):
                self._by_name.setdefault((self._kind(node), str(metadata.get("name"))), node)

    def of_kind(self, kind: str) -> Iterator[Node]:
        """The objects of a kind, in reading order."""
        return (node for node in self._all if self._kind(node) == kind)

    def referred(self, node: Node, key: str, kind: str) -> Node | None:
        """The object at ``key``, or the one that ``<key>Ref`` names; None where there is neither. Raises
        UnresolvedError."""
        if inside := node.find(key):
            return inside
        if (reference := node.find(f"{key}Ref")) is None:
            return None
        return self.named(reference, kind)

    def named(self, reference: Node, kind: str) -> Node:
        """The object that a reference names. Raises UnresolvedError where there is none."""
        found = self._by_name.get((kind, reference.text()))
        if found is None:
            raise UnresolvedError(reference, kind)
        return found

    @staticmethod
    def _kind(node: Node) -> str:
        return str(node.value.get("kind"))
