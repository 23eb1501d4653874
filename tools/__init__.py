"""Programs for those who develop Lastlayer; no part of what is installed."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
"""The root of the repository."""
