"""An agent whose tools are those of an MCP server; here one in the same process, else by its URL or its command.

OPENAI_API_KEY=... python examples/mcp_tools.py "Where is my parcel?"
"""

import asyncio
import json
import sys
from typing import Any

from mcp import Client
from mcp.server import MCPServer
from openai import AsyncOpenAI

from slo_engine.monitoring import monitor_agent
from slo_engine.monitoring.integrations.mcp import monitor_mcp
from slo_engine.monitoring.integrations.openai import monitor_openai

MODEL = "gpt-5-mini"

openai = monitor_openai(AsyncOpenAI())
server = MCPServer("documents")


@server.tool()
def search(query: str) -> str:
    """Look something up."""
    return f"3 documents about {query}"


@monitor_agent("support_agent", tools=["search"], models=[MODEL])
async def answer(question: str) -> str:
    """Answer a question."""
    async with Client(server) as client:
        monitor_mcp(client)
        tools: Any = [
            {"type": "function", "function": {"name": tool.name, "parameters": tool.input_schema}}
            for tool in (await client.list_tools()).tools
        ]
        messages: list[Any] = [{"role": "user", "content": question}]
        while True:
            reply = await openai.chat.completions.create(model=MODEL, messages=messages, tools=tools)
            message = reply.choices[0].message
            if not message.tool_calls:
                return str(message.content)
            messages.append(message)
            for call in message.tool_calls:
                assert call.type == "function"
                found = await client.call_tool(call.function.name, json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": str(found.content)})


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
