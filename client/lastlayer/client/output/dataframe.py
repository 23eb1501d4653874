"""Results as a table of pandas."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lastlayer.client.errors import ClientError
from lastlayer.client.output.json_lines import result_json

if TYPE_CHECKING:
    import pandas as pd


def to_dataframe(results: Iterable[Any]) -> "pd.DataFrame":
    """Return a pandas DataFrame with a row for each result; its columns are the keys of the JSON of `--json`.

    The scores of predictions are in a column for each class, such as `score of cat`. Raises `ClientError` where pandas
    is not installed.

    >>> frame = to_dataframe(client.predict(["new.jpg"], model="pets"))
    >>> list(frame.columns)[:4], list(frame.columns)[-2:]
    (['image', 'label', 'score', 'rejected'], ['score of cat', 'score of dog'])
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ClientError("A DataFrame needs pandas, which `pip install pandas` installs.") from error
    return pd.DataFrame([_row(result_json(result)) for result in results])


def _row(fields: dict[str, Any]) -> dict[str, Any]:
    scores = fields.pop("scores", ())
    error = fields.pop("error", None)
    row = {**fields, **{f"score of {entry['label']}": entry["score"] for entry in scores}}
    return {**row, "error": error["message"]} if error else row
