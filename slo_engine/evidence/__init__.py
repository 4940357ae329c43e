"""Subject -> evidence, from sources side by side, within a time budget."""

from slo_engine.evidence.gathering import Gatherer, sources
from slo_engine.evidence.source import Backends, Source
from slo_engine.evidence.subject import Subject

__all__ = ["Backends", "Gatherer", "Source", "Subject", "sources"]
