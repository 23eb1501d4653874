"""Turns feature vectors of images into files."""

import io

import numpy as np

from lastlayer.client.results.images import Embeddings


def to_npz(embeddings: Embeddings) -> bytes:
    """Return the vectors as arrays that `numpy.load(…, allow_pickle=False)` reads.

    There is one for each tap, float32 [n, d], NaN where an image failed; and `id`, `sha256` and `error`, text [n].
    """
    file = io.BytesIO()
    np.savez(
        file,
        allow_pickle=False,
        id=np.array(embeddings.images, np.str_),
        sha256=np.array([digest.hex() for digest in embeddings.sha256], np.str_),
        error=np.array([_reason(embeddings, row) for row in range(len(embeddings.images))], np.str_),
        **embeddings.vectors,
    )
    return file.getvalue()


def to_parquet(embeddings: Embeddings) -> bytes:
    """Return the vectors as a Parquet file with the columns of a shard of `featurizer embed`: id, sha256, label (none),
    a list of numbers for each tap, error. Raises `InvalidInputError` where pyarrow is not installed.
    """
    from lastlayer.client.data.shards import Row
    from lastlayer.client.export.shards import to_file

    rows = [
        Row(image, None, embeddings.sha256[row], _reason(embeddings, row))
        for row, image in enumerate(embeddings.images)
    ]
    whole = [row for row, error in enumerate(embeddings.errors) if error is None]
    return to_file(rows, {tap: values[whole] for tap, values in embeddings.vectors.items()})


def _reason(embeddings: Embeddings, row: int) -> str:
    error = embeddings.errors[row]
    return "" if error is None else f"{error.reason or error.code}: {error.message}"
