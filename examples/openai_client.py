"""An agent on OpenAI's client: it may call a tool, and streams its answer.

OPENAI_API_KEY=... python examples/openai_client.py "Where is my parcel?"
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from openai import OpenAI

from slo_engine.monitoring import monitor_agent, monitor_tool, start_metrics_server
from slo_engine.monitoring.integrations.openai import monitor_openai

MODEL = "gpt-5-mini"
PARAMETERS = {"type": "object", "properties": {"query": {"type": "string"}}}
TOOLS: Any = [{"type": "function", "function": {"name": "search", "parameters": PARAMETERS}}]

client = monitor_openai(OpenAI())


@monitor_tool("search")
def search(query: str) -> str:
    """The agent's tool."""
    return f"3 documents about {query}"


@monitor_agent("support_agent", tools=["search"], models=[MODEL])
def answer(question: str) -> Iterator[str]:
    """Answer a question, piece by piece."""
    messages: list[Any] = [{"role": "user", "content": question}]
    choice = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0]
    if choice.message.tool_calls:
        messages.append(choice.message)
        for call in choice.message.tool_calls:
            assert call.type == "function"
            found = search(json.loads(call.function.arguments).get("query", question))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": found})
    stream = client.chat.completions.create(
        model=MODEL, messages=messages, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


if __name__ == "__main__":
    start_metrics_server(0)
    print("".join(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
