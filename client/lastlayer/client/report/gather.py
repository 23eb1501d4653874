"""Gathers what a report shows from the classifier; computes the activation maps of thumbnails."""

import io
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from typing import Final

from lastlayer.client.api import Client
from lastlayer.client.errors import ClientError, FailedPreconditionError, NotFoundError, ServerError
from lastlayer.client.output.heatmap import PictureError, overlay, upright
from lastlayer.client.report.map.dots import MOST_POINTS, PHOTO_BYTES
from lastlayer.client.report.map.gather import PicturedMap, gather_map
from lastlayer.client.report.model import Gallery, Pictured, Report
from lastlayer.client.results.curation import Review, ReviewedExample
from lastlayer.client.results.datasets import Dataset
from lastlayer.client.results.examples import StoredExample
from lastlayer.client.results.versions import ModelVersion

SHOWN_EXAMPLES: Final = 12
"""How many mistakes, and how many suspicious labels, a report shows."""

CELL_EXAMPLES: Final = 8
"""How many photos a cell of the confusion matrix has at most."""

_MISTAKES: Final = 200
"""From how many mistakes, the most confident ones, the photos of cells are taken."""

_PICTURED_CLASSES: Final = 20
"""With more classes, only what was taken for another class has photos: each class is a call, of up to 1,000 of them."""

_MAX_THUMBNAIL_PIXELS: Final = 1024 * 1024


def gather(client: Client, model: str, version: int, *, say: Callable[[str], None]) -> Report:
    """Return the report of a version of a model; 0 is its default one. `say` is told what is being done."""
    say("reading the version")
    known = client.get_version(model, version)
    dataset = _dataset(client, known.dataset)
    say("reading the worst examples")
    mistakes = _worst(client, known, "mistakes", _MISTAKES)
    suspicious = _worst(client, known, "suspicious", SHOWN_EXAMPLES)
    cells = _cells(client, known, dataset, mistakes)
    heatmaps = _Heatmaps(client, known, say)
    return Report(
        known,
        dataset,
        Gallery(tuple(map(heatmaps.picture, mistakes.examples[:SHOWN_EXAMPLES])), mistakes.total_count),
        Gallery(tuple(map(heatmaps.picture, suspicious.examples)), suspicious.total_count),
        cells,
        _map(client, known, dataset, say),
        heatmaps.why_none,
    )


def _worst(client: Client, version: ModelVersion, kind: str, limit: int) -> Review:
    return client.review_examples(version.model, version=version.version, kind=kind, limit=limit, thumbnails=True)


def _cells(
    client: Client, version: ModelVersion, dataset: Dataset | None, mistakes: Review
) -> dict[tuple[str, str], tuple[StoredExample, ...]]:
    """Return photos of the cells of the confusion matrix, as far as it is known in which cell a photo is."""
    found: defaultdict[tuple[str, str], list[StoredExample]] = defaultdict(list)
    for reviewed in mistakes.examples:
        found[reviewed.label, reviewed.suggested_label].append(reviewed.example)
    all_known = (
        len(mistakes.examples) == mistakes.total_count and dataset and dataset.update_time <= version.create_time
    )
    if version.cross_validation and all_known and len(version.classes) <= _PICTURED_CLASSES:
        wrong = {reviewed.example.sha256 for reviewed in mistakes.examples}
        for label in version.classes:
            examples = client.list_examples(version.dataset, label=label, thumbnails=True)
            correct = (example for example in examples if example.sha256 not in wrong and len(example.labels) == 1)
            found[label, label] += islice(correct, CELL_EXAMPLES)
    shown = {cell: [example for example in examples if example.thumbnail] for cell, examples in found.items()}
    return {cell: tuple(examples[:CELL_EXAMPLES]) for cell, examples in shown.items() if examples}


def _dataset(client: Client, name: str) -> Dataset | None:
    try:
        return client.get_dataset(name)
    except NotFoundError:
        return None


def _map(
    client: Client, version: ModelVersion, dataset: Dataset | None, say: Callable[[str], None]
) -> PicturedMap | None:
    """Return the map of a dataset; None where it has no images, or the server knows no maps."""
    if dataset is None:
        return None
    say("mapping the dataset")
    # Suspicious labels are marked as the model's default version sees them.
    try:
        found = gather_map(client, dataset.name, max_examples=MOST_POINTS, model=version.model, most_bytes=PHOTO_BYTES)
    except NotFoundError:  # it has been deleted meanwhile
        return None
    except ServerError as error:
        if error.code != "UNIMPLEMENTED":  # as a server of an earlier release says
            raise
        return None
    return found if found.map.points else None


class _Heatmaps:
    """Explains thumbnails until the classifier says that it cannot; an example that is shown twice only once."""

    def __init__(self, client: Client, version: ModelVersion, say: Callable[[str], None]) -> None:
        self._client = client
        self._version = version
        self._say = say
        self._drawn: dict[tuple[bytes, str], bytes] = {}
        self.why_none = ""

    def picture(self, reviewed: ReviewedExample) -> Pictured:
        thumbnail, label = reviewed.example.thumbnail, reviewed.suggested_label or reviewed.label
        if self.why_none or not thumbnail:
            return Pictured(reviewed)
        if (thumbnail, label) not in self._drawn:
            self._drawn[thumbnail, label] = self._draw(thumbnail, label)
        return Pictured(reviewed, self._drawn[thumbnail, label])

    def _draw(self, thumbnail: bytes, label: str) -> bytes:
        if not self._drawn:
            self._say("drawing activation maps")
        try:
            explanation = self._client.explain(
                thumbnail, model=self._version.model, version=self._version.version, label=label
            )
            picture = overlay(upright(thumbnail, formats=("JPEG",), max_pixels=_MAX_THUMBNAIL_PIXELS), explanation)
        except PictureError:  # the other thumbnails may be what they should
            return b""
        except ClientError as error:
            if error.reason.startswith("IMAGE_"):
                return b""
            if not isinstance(error, FailedPreconditionError) and not _lacks_featurizer(error):
                raise
            self.why_none = error.message
            return b""
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=85)
        return stream.getvalue()


def _lacks_featurizer(error: ClientError) -> bool:
    return isinstance(error, ServerError) and error.reason == "FEATURIZER_UNAVAILABLE"
