"""The map of a dataset: gathered with its photos, as a page of its own, and as a part of a report."""
