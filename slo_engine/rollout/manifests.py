"""What objects of Kubernetes have in common: names and metadata. They obey
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ (RFC 1123).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from slo_engine.errors import SloEngineError

MANAGED_BY = {"app.kubernetes.io/managed-by": "slo-engine"}

LONGEST_NAME = 200
"""Of an object, before what tells parts and look-alikes apart is added; Kubernetes takes 253."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_DNS_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")


class MetadataError(SloEngineError):
    """A namespace or a label that Kubernetes would refuse."""


@dataclass(frozen=True)
class Metadata:
    """What all manifests carry. Without a namespace they go where `kubectl apply` puts them."""

    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.namespace is not None and not _DNS_LABEL.match(self.namespace):
            raise MetadataError(
                f"{self.namespace!r} is not a namespace of Kubernetes: write up to 63 lower-case letters, digits and -"
            )
        for key, value in self.labels.items():
            prefix, slash, word = key.rpartition("/")
            if not _WORD.match(word) or (slash and not _DNS_SUBDOMAIN.match(prefix)):
                raise MetadataError(
                    f"{key!r} is not a label key of Kubernetes: write one such as release or example.com/team"
                )
            if value and not _WORD.match(value):
                raise MetadataError(
                    f"{value!r} is not a label value of Kubernetes ({key}): write up to 63 letters, digits, -, _ and ."
                )


def object_name(name: str, prefix: str = "") -> str:
    """A name that Kubernetes takes, another one for each ``name``: a hash stands for the characters it refuses."""
    plain = re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:LONGEST_NAME].rstrip("-")
    if plain == name:
        return prefix + plain
    return f"{prefix}{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def metadata_of(name: str, metadata: Metadata) -> dict[str, object]:
    """The ``metadata`` of an object."""
    namespace = {"namespace": metadata.namespace} if metadata.namespace else {}
    return {"name": name, **namespace, "labels": {**MANAGED_BY, **metadata.labels}}
