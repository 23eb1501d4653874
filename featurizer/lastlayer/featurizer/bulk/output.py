"""The folder of a run: its plan, its shards, which of them are done, and last a manifest.

    OUT/shard-00000.parquet ...   the features
    OUT/_manifest.json            written when all shards are there
    OUT/_failed.tsv               the images without features, and why
    OUT/_run/plan.parquet         which images are in which shard
    OUT/_run/done/00000.json      says that a shard is whole

What begins with an underscore readers of Parquet folders leave out.
"""

import csv
import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.errors import BulkError
from lastlayer.rpc.observability.escape import escape
from lastlayer.rpc.vectors import FOLDER_FORMAT, GROUP_ROWS, MANIFEST


@dataclass(frozen=True)
class Done:
    """A shard that is in its place."""

    shard: int
    file: str
    rows: int
    failed: int
    """How many of its images have no features."""
    bytes: int
    sha256: str


class Output:
    """The folder to which a run is written, on a local disk or in an object store."""

    def __init__(self, url: str, files: Files) -> None:
        self.url = url.rstrip("/")
        self._files = files

    @property
    def plan(self) -> str:
        """Where the plan is."""
        return self._at("_run", "plan.parquet")

    def commit(self, shard: int, table: pa.Table, failed: int) -> Done:
        """Put a shard in its place, whole, and then note that it is done. Raises OSError.

        Whoever is killed before the note writes the same file once more: nothing is there twice.
        """
        name = f"shard-{shard:05}.parquet"
        with self._files.writing(self._at(name)) as path:
            # Features are noise to a compressor; text is not.
            columns = {
                name: "ZSTD" if pa.types.is_string(table.schema.field(name).type) else "NONE"
                for name in table.schema.names
            }
            pq.write_table(
                table, path, compression=columns, use_dictionary=["label", "error"], row_group_size=GROUP_ROWS
            )
            size = path.stat().st_size
            with path.open("rb") as file:
                checksum = hashlib.file_digest(file, "sha256").hexdigest()
        done = Done(shard, name, table.num_rows, failed, size, checksum)
        self._write_json(self._at("_run", "done", f"{shard:05}.json"), asdict(done))
        return done

    def done(self) -> dict[int, Done]:
        """Return the shards that are done."""
        folder = self._at("_run", "done")
        present = self._files.names(self.url)
        found = {}
        for name in sorted(self._files.names(folder)):
            if name.endswith(".json") and not name.startswith("."):
                entry = Done(**json.loads(self._files.read(posixpath.join(folder, name))))
                if entry.file in present:  # unless somebody has deleted it
                    found[entry.shard] = entry
        return found

    def finish(self, facts: Mapping[str, Any], shards: Sequence[Done]) -> int:
        """Write the list of what failed, and then the manifest; returns how many images failed."""
        failed = 0
        with self._files.writing(self._at("_failed.tsv")) as path, path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, delimiter="\t", lineterminator="\n")
            lines.writerow(["id", "error"])
            for row in self._failures(shards):
                lines.writerow(map(escape, row))  # names are those of files and members of archives
                failed += 1
        manifest = {
            "format": FOLDER_FORMAT,
            **facts,
            "rows": sum(shard.rows for shard in shards),
            "failed": failed,
            "shards": [asdict(shard) for shard in shards],
        }
        self._write_json(self._at(MANIFEST), manifest)
        return failed

    def _failures(self, shards: Sequence[Done]) -> Iterator[tuple[str, str]]:
        for shard in shards:
            if not shard.failed:
                continue
            with self._files.opened(self._at(shard.file)) as file:
                table = pq.read_table(file, columns=["id", "error"])
            for row in table.to_pylist():
                if row["error"] is not None:
                    yield row["id"], row["error"]

    def _at(self, *parts: str) -> str:
        return posixpath.join(self.url, *parts)

    def _write_json(self, url: str, content: Mapping[str, Any]) -> None:
        with self._files.writing(url) as path:
            path.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")


def read_manifest(url: str, files: Files) -> dict[str, Any]:
    """Return the manifest of a folder; raises BulkError where it has none, or one of another format."""
    try:
        manifest: dict[str, Any] = json.loads(files.read(posixpath.join(url, MANIFEST)))
    except FileNotFoundError:
        raise BulkError(f"`{url}` has no `{MANIFEST}`: `featurizer embed` has not come to its end there.") from None
    if manifest.get("format") != FOLDER_FORMAT:
        raise BulkError(f"`{url}` has a manifest of format {manifest.get('format')}; {FOLDER_FORMAT} is read.")
    return manifest
