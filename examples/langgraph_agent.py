"""An agent on LangGraph.

OPENAI_API_KEY=... python examples/langgraph_agent.py "Where is my parcel?"
"""

import sys
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from slo_engine.monitoring import monitor_agent
from slo_engine.monitoring.integrations.langchain import LangChainMonitor


@tool
def search(query: str) -> str:
    """Look something up."""
    return f"3 documents about {query}"


def build() -> Any:
    """A model that may call the tool until it has an answer."""
    model = ChatOpenAI(model="gpt-5-mini", stream_usage=True, max_retries=0).bind_tools([search])

    def call_model(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", call_model)
    graph.add_node("tools", ToolNode([search]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile()


@monitor_agent("support_agent", tools=["search"], models=["gpt-5-mini-2025-08-07"])
def answer(question: str) -> str:
    """Answer a question."""
    state = build().invoke({"messages": [HumanMessage(question)]}, {"callbacks": [LangChainMonitor()]})
    return str(state["messages"][-1].content)


if __name__ == "__main__":
    print(answer(" ".join(sys.argv[1:]) or "Where is my parcel?"))
