"""A version of a model as one page: gathered (`gather`), drawn (`charts`) and rendered (`page`)."""
