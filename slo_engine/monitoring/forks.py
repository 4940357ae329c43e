"""Locks of a forked child: the thread that held one in the parent did not come along to let it go."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def renew_after_fork(owner: object, name: str, make: Callable[[], object]) -> None:
    """Give ``owner`` a new ``name`` in every forked child."""
    reference = weakref.ref(owner)

    def renew() -> None:
        here = reference()
        if here is not None:
            setattr(here, name, make())

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
