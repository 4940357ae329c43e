"""For all tests."""

import pytest
from hypothesis import settings

# Other processes share the machine: how long one example takes says nothing about the code.
settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: one that begins last keeps a worker at it while the other has nothing to do."""
    seconds: dict[object, int] = {}
    for item in items:
        for mark in item.iter_markers("takes"):
            seconds[item.path] = max(seconds.get(item.path, 0), mark.kwargs["seconds"])
    items.sort(key=lambda item: -seconds.get(item.path, 0))
