"""What reads and writes Parquet, wherever fsspec reaches: said in one sentence where it is not installed."""

from lastlayer.client.errors import InvalidInputError

try:
    import fsspec
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as missing:
    raise InvalidInputError(
        f"Parquet files need {missing.name}, which is not installed: pip install 'lastlayer[embed]'"
    ) from missing

__all__ = ["fsspec", "pa", "pq"]
