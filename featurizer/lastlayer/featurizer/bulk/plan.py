"""What is to be done, written down before it is begun: which images there are, and which shard each is in.

The plan is a Parquet file, whose row group n is shard n. It is made once: whoever goes on later does the same shards.
"""

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.errors import BulkError
from lastlayer.rpc.observability.escape import escape
from lastlayer.rpc.vectors import View

_KEY: Final = b"lastlayer.run"
_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("kind", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("label", pa.string()),
    ]
)


@dataclass(frozen=True)
class Run:
    """What decides what is in the shards: two runs that differ here do not belong into one folder."""

    sources: tuple[str, ...]
    label_from: str | None
    column: str | None
    shard_images: int
    taps: tuple[str, ...]
    dtype: str
    """`float32` or `float16`."""
    backbone: str
    digest: str
    engine: str
    precision: str
    views: tuple[str, ...] = (View.CROP.label,)
    """The labels of the views of which there are vectors."""


@dataclass(frozen=True)
class Plan:
    """A plan that is in its place."""

    run: Run
    counts: tuple[int, ...]
    """The number of images of each shard."""


def write_plan(url: str, files: Files, run: Run, items: Iterable[Item]) -> None:
    """Write a plan; raises OSError or what going through `items` raises, and then there is none."""
    schema = _SCHEMA.with_metadata({_KEY: json.dumps(asdict(run)).encode()})
    with files.writing(url) as path, pq.ParquetWriter(path, schema) as writer:
        waiting = iter(items)
        while shard := list(itertools.islice(waiting, run.shard_images)):
            columns = [[getattr(item, name) for item in shard] for name in schema.names]
            try:
                arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            except UnicodeEncodeError as error:
                raise BulkError(f"The name `{escape(error.object)}` is not in UTF-8; rename the file.") from error
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(shard))


def read_plan(url: str, files: Files) -> Plan | None:
    """Return the plan at a URL, or None where there is none; raises BulkError where it is damaged."""
    try:
        with files.opened(url) as file:
            parquet = pq.ParquetFile(file)
            told = json.loads((parquet.schema_arrow.metadata or {})[_KEY])
            lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
            run = Run(**{**told, **lists})
            groups = range(parquet.num_row_groups)
            return Plan(run, tuple(parquet.metadata.row_group(group).num_rows for group in groups))
    except FileNotFoundError:
        return None
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise BulkError(f"`{url}` is no plan of this version of Lastlayer; embed to another folder.") from error


def read_shard(url: str, files: Files, shard: int) -> list[Item]:
    """Return the images of a shard."""
    with files.opened(url) as file:
        rows = pq.ParquetFile(file).read_row_group(shard).to_pylist()
    return [Item(**row) for row in rows]


def check_same(run: Run, earlier: Run) -> None:
    """Raise BulkError where a run differs from the one that was begun in the same folder."""
    differences = list(_differences(asdict(run), asdict(earlier)))
    if differences:
        raise BulkError(
            f"The folder holds another run: {'; '.join(differences)}. Repeat the command as it was to go on with it, "
            "or embed to another folder."
        )


def _differences(now: dict[str, Any], earlier: dict[str, Any]) -> Iterator[str]:
    for name, value in now.items():
        if value != earlier[name]:
            yield f"{name.replace('_', ' ')} {_shown(earlier[name])} there, {_shown(value)} now"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "none" if value is None else str(value)[:64]
