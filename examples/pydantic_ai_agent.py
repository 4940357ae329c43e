"""An agent on Pydantic AI.

OPENAI_API_KEY=... python examples/pydantic_ai_agent.py "Where is my parcel?"
"""

import asyncio
import sys

from pydantic_ai import Agent

from slo_engine.monitoring import monitor_agent
from slo_engine.monitoring.integrations.pydantic_ai import PydanticAIMonitor

agent = Agent("openai-chat:gpt-5-mini", instructions="Help the customer.", capabilities=[PydanticAIMonitor()])


@agent.tool_plain
def search(query: str) -> str:
    """Look something up."""
    return f"3 documents about {query}"


@monitor_agent("support_agent", tools=["search"], models=["gpt-5-mini-2025-08-07"])
async def answer(question: str) -> str:
    """Answer a question."""
    result = await agent.run(question)
    return str(result.output)


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
