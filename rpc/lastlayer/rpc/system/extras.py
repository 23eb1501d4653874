"""What of Lastlayer is installed: `pip install lastlayer` brings the client, and extras the services."""

import importlib.util
from typing import Final

_NEEDED: Final = {"featurizer": "tensorflow", "classifier": "sqlalchemy"}
"""The extras of the services, and a module that each of them brings."""


def explain_missing(*extras: str) -> str | None:
    """Return one sentence about the extras that are not installed, with what installs them; None where all are."""
    missing = [extra for extra in extras if importlib.util.find_spec(_NEEDED[extra]) is None]
    if not missing:
        return None
    what = missing[0] if len(extras) == 1 else "all"
    verb, object_ = ("is", "it") if len(missing) == 1 else ("are", "them")
    return f"The {' and the '.join(missing)} {verb} not installed; pip install 'lastlayer[{what}]' installs {object_}."
