"""An agent on Anthropic's client: it may call a tool, and streams its answer.

ANTHROPIC_API_KEY=... python examples/anthropic_client.py "Where is my parcel?"
"""

import sys
from typing import Any

from anthropic import Anthropic

from slo_engine.monitoring import monitor_agent, monitor_tool
from slo_engine.monitoring.integrations.anthropic import monitor_anthropic

MODEL = "claude-sonnet-5"
TOOLS: Any = [{"name": "search", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}}]

client = monitor_anthropic(Anthropic())


@monitor_tool("search")
def search(query: str) -> str:
    """The agent's tool."""
    return f"3 documents about {query}"


@monitor_agent("support_agent", tools=["search"], models=[MODEL])
def answer(question: str) -> str:
    """Answer a question."""
    messages: list[Any] = [{"role": "user", "content": question}]
    reply = client.messages.create(model=MODEL, max_tokens=1000, messages=messages, tools=TOOLS)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": search(str(block.input.get("query", question)))}
        for block in reply.content
        if block.type == "tool_use"
    ]
    if results:
        messages += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": results}]
    with client.messages.stream(model=MODEL, max_tokens=1000, messages=messages, tools=TOOLS) as stream:
        return "".join(stream.text_stream)


if __name__ == "__main__":
    print(answer(" ".join(sys.argv[1:]) or "Where is my parcel?"))
