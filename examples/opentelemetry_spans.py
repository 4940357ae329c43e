"""An agent that is instrumented with OpenTelemetry already: its metrics come from its spans.

OPENAI_API_KEY=... python examples/opentelemetry_spans.py "Where is my parcel?"
"""

import asyncio
import sys

from opentelemetry.sdk.trace import TracerProvider
from pydantic_ai import Agent
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.models.instrumented import InstrumentationSettings

from slo_engine.monitoring.integrations.otel import GenAiSpanMetrics

# Beside the processors that export: `provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))`.
provider = TracerProvider()
provider.add_span_processor(GenAiSpanMetrics())

agent = Agent(
    "openai-chat:gpt-5-mini",
    name="support_agent",
    instructions="Help the customer.",
    capabilities=[Instrumentation(settings=InstrumentationSettings(tracer_provider=provider))],
)


@agent.tool_plain
def search(query: str) -> str:
    """Look something up."""
    return f"3 documents about {query}"


async def answer(question: str) -> str:
    """Answer a question."""
    result = await agent.run(question)
    return str(result.output)


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
