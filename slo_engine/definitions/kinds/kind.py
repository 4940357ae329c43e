"""What a kind takes in YAML."""

from __future__ import annotations

from collections.abc import Iterator

from slo_engine.definitions.fields import Strict
from slo_engine.definitions.kinds.sli import Sli


class KindFormat(Strict):
    """The keys of one kind."""

    def sli(self) -> Sli:
        """What the rules are made of."""
        raise NotImplementedError

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is wrong with the keys taken together: where it stands, below the kind, and what to write."""
        yield from ()
