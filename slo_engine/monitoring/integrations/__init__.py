"""Model and tool calls recorded by themselves, one module for each library: clients of providers (OpenAI, Anthropic,
Google), LiteLLM, agent frameworks (OpenAI Agents SDK, LangChain and LangGraph, Pydantic AI, Google ADK, Claude Agent
SDK), MCP clients, and the spans of OpenTelemetry's instrumentations.

Each fills in the run that is current when a call begins (`monitor_agent`, `AgentMonitor`); calls outside of a run are
counted as those of ``no_run``. Import the one you use: nothing here is loaded before.
"""
