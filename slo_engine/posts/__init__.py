"""What the engine says by itself: digests by schedule, crossings of error budgets, and policies on what is left."""
