"""For all tests."""

from hypothesis import settings

# Other processes share the machine: how long one example takes says nothing about the code.
settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")
