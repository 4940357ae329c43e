"""A simulation of all that a notification passes, from Alertmanager to the sinks.

The engine's own transactions run on a database whose clock stands still until it is told to go on. Around them are
models of two Alertmanagers, of the sinks and of the loops of several engines; after each commit any of the engines may
crash, or be paused until its leases have passed on. ``python -m tests.simulation`` runs it for long.
"""
