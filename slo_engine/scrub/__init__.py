"""Text -> text without secrets and personal data. Standard library only: agents and the engine share this one list."""

from slo_engine.scrub.found import Finder, Match
from slo_engine.scrub.scrubber import Scrubber

__all__ = ["Finder", "Match", "Scrubber"]
