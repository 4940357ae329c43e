"""Model and tool calls recorded by themselves, one module for each library: OpenAI, Anthropic, LiteLLM, the OpenAI
Agents SDK, LangChain and LangGraph.

Each fills in the run that is current when a call begins (`monitor_agent`, `AgentMonitor`); outside of a run they do
nothing. Import the one you use: nothing here is loaded before.
"""
