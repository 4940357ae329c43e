"""Text -> text without secrets and personal data. Standard library only: agents and the engine share this one list."""

from slo_engine.scrub.scrubber import Finder, Match, Scrubber

__all__ = ["Finder", "Match", "Scrubber"]
