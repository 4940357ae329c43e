"""What the tests of the monitoring library share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slo_engine.monitoring.quiet import complaints
from tests.monitoring.world import Backend, langfuse


@pytest.fixture
def backend() -> Iterator[Backend]:
    with langfuse() as (standin, url):
        backend = Backend(standin, url)
        yield backend
        for tracing in backend.opened:
            tracing.close(0)


@pytest.fixture(autouse=True)
def fresh_complaints(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line a minute belongs to the test that runs."""
    monkeypatch.setattr(complaints, "_next", 0.0)
