"""An agent on LiteLLM: two models side by side, whichever providers they are of.

OPENAI_API_KEY=... ANTHROPIC_API_KEY=... python examples/litellm_calls.py "Where is my parcel?"
"""

import asyncio
import os
import sys

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches a price list when it is imported

import litellm

from slo_engine.monitoring import current_run, monitor_agent
from slo_engine.monitoring.integrations.litellm import LiteLLMMonitor

MODELS = ("openai/gpt-5-mini", "anthropic/claude-sonnet-5")

litellm.callbacks = [LiteLLMMonitor()]


@monitor_agent("jury_agent")
async def ask_both(question: str) -> list[str]:
    """Ask both models."""
    messages = [{"role": "user", "content": question}]
    answers = await asyncio.gather(*(litellm.acompletion(model, messages, max_retries=0) for model in MODELS))
    run = current_run()
    assert run is not None
    run.add_score("agreement", float(len({each.choices[0].message.content for each in answers}) == 1))
    return [str(each.choices[0].message.content) for each in answers]


async def main() -> None:
    """Ask, and wait for LiteLLM, which tells its callbacks a moment after it has answered."""
    print("\n".join(await ask_both(" ".join(sys.argv[1:]) or "Where is my parcel?")))
    await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
