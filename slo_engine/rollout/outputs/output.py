"""What every output format answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from slo_engine.rollout.manifests import Metadata


@dataclass(frozen=True)
class Part:
    """Rule groups that go into one object or file."""

    file: str
    """The name of the file, without ``.yaml``."""
    object: str
    """The name of the object, as Kubernetes takes it."""
    metadata: Metadata
    groups: Sequence[str]
    """The YAML of each group, as an item of a list."""


class Output(Protocol):
    """A form in which rules are written."""

    @property
    def most_bytes(self) -> int | None:
        """Of rules in one object; what does not fit goes into another one. None: no limit."""
        ...

    @property
    def has_metadata(self) -> bool:
        """Whether it carries a namespace and labels."""
        ...

    def written(self, part: Part) -> str:
        """The object as YAML."""
        ...
