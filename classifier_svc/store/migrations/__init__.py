"""The migrations of the store, numbered."""
