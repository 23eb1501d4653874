"""What names, labels and ids may be, and the sentence for what they may not."""

import re
import unicodedata
from typing import Final

from lastlayer.classifier.domain.labels import normalize_label
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.observability.escape import escape

MAX_LABEL_CHARACTERS: Final = 256
MAX_ID_BYTES: Final = 1024
MAX_REQUEST_ID_BYTES: Final = 128

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_name(field: str, name: str) -> str:
    """Return the name of a dataset or model; raises InvalidFieldError."""
    if not _NAME.fullmatch(name):
        shown = f"`{escape(name[:63])}`" if name else "empty"
        raise InvalidFieldError(
            field,
            f"The {field} is {shown}; 1 to 63 of the characters A-Z a-z 0-9 . _ - are accepted, the first a letter or "
            "digit.",
        )
    return name


def check_label(field: str, label: str) -> str:
    """Return the label as it is stored (see `domain.labels.normalize_label`); raises InvalidFieldError."""
    normal = normalize_label(label)
    if not 1 <= len(normal) <= MAX_LABEL_CHARACTERS:
        raise InvalidFieldError(
            field, f"The label has {len(normal)} characters; 1 to {MAX_LABEL_CHARACTERS} are accepted."
        )
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in normal):
        raise InvalidFieldError(field, "The label has control characters or line breaks; plain text is accepted.")
    return normal


def check_id(field: str, value: str, limit: int = MAX_ID_BYTES) -> str:
    """Return an id of the caller's choice; raises InvalidFieldError."""
    if len(value.encode()) > limit or "\0" in value:
        raise InvalidFieldError(field, f"At most {limit} bytes of UTF-8 without NUL are accepted.")
    return value


def check_version(number: int, least: int = 0) -> int:
    """Return the number of a version; raises InvalidFieldError."""
    if number < least:
        raise InvalidFieldError("version", f"The version is {number}; {least} or more is accepted.")
    return number
