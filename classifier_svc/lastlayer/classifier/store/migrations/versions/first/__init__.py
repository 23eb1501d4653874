"""The migrations of the first releases."""
