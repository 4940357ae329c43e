"""An agent on the OpenAI Agents SDK.

OPENAI_API_KEY=... python examples/openai_agents_sdk.py "Where is my parcel?"
"""

import asyncio
import sys

from agents import Agent, Runner, function_tool, set_trace_processors

from slo_engine.monitoring import monitor_agent
from slo_engine.monitoring.integrations.openai_agents import AgentsMonitor

# Instead of the SDK's own processor, which sends traces to OpenAI; `add_trace_processor` keeps that one too.
set_trace_processors([AgentsMonitor()])


@function_tool
def search(query: str) -> str:
    """Look something up."""
    return f"3 documents about {query}"


@monitor_agent("support_agent", tools=["search"], models=["gpt-5-mini-2025-08-07"])
async def answer(question: str) -> str:
    """Answer a question."""
    agent = Agent(name="support", instructions="Help the customer.", model="gpt-5-mini", tools=[search])
    result = await Runner.run(agent, question)
    return str(result.final_output)


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
