"""How exactly failures are put together, on public data."""
