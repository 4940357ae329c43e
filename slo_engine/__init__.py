"""SLOs for AI agents, as code.

An agent imports :mod:`slo_engine.monitoring`; the service and the command line are in the other rooms and need the
``server`` extra. This module stays empty on purpose: ``import slo_engine`` must cost an agent nothing.
"""

__version__ = "0.1.0"
