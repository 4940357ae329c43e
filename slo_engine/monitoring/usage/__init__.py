"""What a call of a model used, read from the answers of many providers without their SDKs.

A provider's shape of an answer is one module here, and one row in `answers.READERS`; that of a stream's pieces, where
they differ from its answers, one row in `streams.READERS`.
"""

from slo_engine.monitoring.usage.answers import is_stream, usage_of
from slo_engine.monitoring.usage.model import UNKNOWN_MODEL, LLMUsage, TokenDetails
from slo_engine.monitoring.usage.streams import StreamReader

__all__ = ["UNKNOWN_MODEL", "LLMUsage", "StreamReader", "TokenDetails", "is_stream", "usage_of"]
