"""Read-only tools for AI assistants, over the Model Context Protocol.

What a tool answers stands in a module of its own, and in the table :data:`~slo_engine.web.assistants.tools.TOOLS`; how
it is asked, over HTTP and over stdio, in :mod:`~slo_engine.web.assistants.endpoint` and
:mod:`slo_engine.cli.assistants`.
"""
