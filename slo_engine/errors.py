"""The one exception family of the engine. A message says what is wrong, where, and what to do."""


class SloEngineError(Exception):
    """Anything slo-engine refuses or cannot do, with a message written for the person who must act on it."""
