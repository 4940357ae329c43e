"""An agent on Google's client: the SDK calls its tool by itself, and its answer comes piece by piece.

GOOGLE_API_KEY=... python examples/google_client.py "Where is my parcel?"
"""

import sys
from collections.abc import Iterator

from google import genai
from google.genai.types import GenerateContentConfig

from slo_engine.monitoring import monitor_agent, monitor_tool
from slo_engine.monitoring.integrations.google import monitor_google

MODEL = "gemini-2.5-flash"

client = monitor_google(genai.Client())


@monitor_tool("search")
def search(query: str) -> str:
    """Look something up."""
    return f"3 documents about {query}"


@monitor_agent("support_agent", tools=["search"], models=[MODEL])
def answer(question: str) -> Iterator[str]:
    """Answer a question, piece by piece."""
    chat = client.chats.create(model=MODEL, config=GenerateContentConfig(tools=[search]))
    for chunk in chat.send_message_stream(question):
        yield chunk.text or ""


if __name__ == "__main__":
    print("".join(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
