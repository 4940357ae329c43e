"""An agent on the Claude Agent SDK.

ANTHROPIC_API_KEY=... python examples/claude_agent.py "Where is my parcel?"
"""

import asyncio
import sys
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, create_sdk_mcp_server, query, tool

from slo_engine.monitoring import monitor_agent
from slo_engine.monitoring.integrations.claude_agent_sdk import monitor_messages


@tool("search", "Look something up.", {"query": str})
async def search(arguments: dict[str, Any]) -> dict[str, Any]:
    """The agent's tool."""
    return {"content": [{"type": "text", "text": f"3 documents about {arguments['query']}"}]}


OPTIONS = ClaudeAgentOptions(
    model="claude-sonnet-5",
    mcp_servers={"documents": create_sdk_mcp_server("documents", tools=[search])},
    tools=[],  # none of Claude Code's own
    allowed_tools=["mcp__documents__search"],
)


@monitor_agent("support_agent", tools=["mcp__documents__search"], models=["claude-sonnet-5"])
async def answer(question: str) -> str:
    """Answer a question."""
    said = ""
    async for message in monitor_messages(query(prompt=question, options=OPTIONS)):
        if isinstance(message, ResultMessage):
            said = str(message.result)
    return said


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
