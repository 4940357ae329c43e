"""A month in one file: objectives met, budgets, incidents with their causes, spend."""
