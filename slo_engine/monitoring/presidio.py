"""Presidio's recognizers for the scrubber, without a language model and without a network.

Install ``slo-engine[presidio]``. Slow (some 10 ms for a KB, against 0.1 ms of `Scrubber` alone), which a trace's own
thread can bear: the agent never waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from slo_engine.scrub import Match

ENTITIES: Final = (
    *("CREDIT_CARD", "CRYPTO", "IBAN_CODE", "MEDICAL_LICENSE", "UK_NHS"),
    *("US_BANK_NUMBER", "US_DRIVER_LICENSE", "US_ITIN", "US_PASSPORT", "US_SSN"),
)
"""What is looked for. E-mail addresses are not, since Presidio asks the network for the newest domains; nor are phone
numbers, since its recognizer is slow and takes order numbers for them. `Scrubber` finds both by itself."""


class PresidioFinder:
    """A finder for `Scrubber(finders=[PresidioFinder()])`.

    ``entities``: Presidio's names of what to look for. ``threshold``: how sure it must be, 0 to 1. Raises ImportError
    without Presidio.
    """

    def __init__(self, entities: Sequence[str] = ENTITIES, threshold: float = 0.5) -> None:
        self._entities = list(entities)
        self._threshold = threshold
        self._analyzer = _analyzer()

    def __call__(self, text: str) -> Iterator[Match]:
        """What is in a text."""
        for found in self._analyzer.analyze(
            text, language="en", entities=self._entities, score_threshold=self._threshold
        ):
            yield Match(found.start, found.end, found.entity_type)


def _analyzer() -> Any:
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class WithoutModel(SpacyNlpEngine):
        """Splits words, and knows no names: the models for that are downloads of half a gigabyte."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp: Any = {"en": spacy.blank("en")}

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.remove_recognizer("SpacyRecognizer")
    return AnalyzerEngine(registry=registry, nlp_engine=WithoutModel(), supported_languages=["en"])
