"""An agent on Google's Agent Development Kit (``pip install google-adk``, in an environment of its own).

GOOGLE_API_KEY=... python examples/google_adk_agent.py "Where is my parcel?"
"""

import asyncio
import sys

from google.adk.agents import LlmAgent
from google.adk.runners import InMemoryRunner
from google.genai.types import Content, Part

from slo_engine.monitoring import monitor_agent
from slo_engine.monitoring.integrations.google_adk import AdkMonitor

MODEL = "gemini-2.5-flash"


def search(query: str) -> dict[str, str]:
    """Look something up."""
    return {"found": f"3 documents about {query}"}


agent = LlmAgent(name="support", model=MODEL, instruction="Help the customer.", tools=[search])


@monitor_agent("support_agent", tools=["search"], models=[MODEL])
async def answer(question: str) -> str:
    """Answer a question."""
    async with InMemoryRunner(agent=agent, app_name="support", plugins=[AdkMonitor()]) as runner:
        session = await runner.session_service.create_session(app_name="support", user_id="u-17")
        asked = Content(role="user", parts=[Part(text=question)])
        said = ""
        async for event in runner.run_async(user_id="u-17", session_id=session.id, new_message=asked):
            if event.is_final_response() and event.content and event.content.parts:
                said = event.content.parts[0].text or ""
        return said


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Where is my parcel?")))
