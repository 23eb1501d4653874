"""The featurizer's own failures, which end a command or a start and never cross the wire."""


class BackboneError(Exception):
    """A backbone is declared wrongly, or its weights do not fit its declaration. Its text is one sentence."""


class FetchError(Exception):
    """Weights cannot be had. Its text is one sentence."""
