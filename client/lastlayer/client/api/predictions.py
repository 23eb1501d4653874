"""What images are: classes, vectors, explanations."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lastlayer.client.api.connection import Connection
from lastlayer.client.data.images import ImageSource, name_of, read_image, wire_name
from lastlayer.client.data.pixels import is_pixels
from lastlayer.client.errors import InvalidInputError
from lastlayer.client.results.predictions import Prediction, Predictions
from lastlayer.client.transport.defaults import DEFAULT_MODEL
from lastlayer.client.transport.messages.predictions import read_explanation
from lastlayer.client.transport.prediction import PredictionStream, Wanted, predict
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, types_pb2

if TYPE_CHECKING:
    from lastlayer.client.results.images import Embeddings, Explanation


class PredictionMethods(Connection):
    """What images are: classes, vectors, explanations."""

    def embed(self, images: Iterable[ImageSource], *, taps: Iterable[str] = ()) -> "Embeddings":
        """Return the feature vectors of images, as NumPy arrays, from the network that is served now.

        Each image is what `predict` takes. `taps` are the places in the network whose vectors are wanted; all where
        none is given. Nothing is stored. An image that fails has its `errors` set, and its rows are NaN.

        Raises `InvalidInputError` where there is no such tap, or NumPy is not installed, `TypeError` for a single image
        in place of several, and `ServerError`.

        >>> embeddings = client.embed(["new.jpg"], taps=["pool"])
        >>> embeddings.vectors["pool"].shape
        (1, 3)
        """
        _refuse_single(images)
        try:
            from lastlayer.client.transport.embedding import Embedding
        except ModuleNotFoundError as error:
            raise InvalidInputError(
                f"Vectors need {error.name}, which is not installed: pip install 'lastlayer[report]'"
            ) from error
        return Embedding(self._stub, images, tuple(taps), server=self.server, timeout_s=self._timeout_s).run()

    def predict(
        self,
        images: Iterable[ImageSource],
        *,
        model: str = DEFAULT_MODEL,
        version: int = 0,
        top_k: int = 0,
        threshold: float | None = None,
    ) -> Predictions:
        """Return one prediction for each image, in order; an image that fails has its `error` set.

        Each image is a path, bytes, an open file, an image of Pillow, or a NumPy array: uint8 [height, width, 3], RGB.
        `version` 0 is the model's default, `top_k` 0 means all classes. A
        prediction whose best class is less probable than `threshold`, from 0 to 1, is rejected; None for the version's
        own.

        Raises `NotFoundError` where there is no such model or version, `FailedPreconditionError` where the featurizer
        has another backbone than the version, `TypeError` for a single image in place of several, and `ServerError`.

        >>> [prediction] = client.predict(["new.jpg"], model="pets", top_k=1)
        >>> prediction.label, prediction.score
        ('cat', 0.75)
        """
        _refuse_single(images)
        wanted = Wanted(model, version, top_k, threshold)
        return Predictions(predict(self._stub, images, wanted, server=self.server, timeout_s=self._timeout_s))

    def predict_stream(
        self,
        images: Iterable[ImageSource],
        *,
        model: str = DEFAULT_MODEL,
        version: int = 0,
        top_k: int = 0,
        threshold: float | None = None,
    ) -> Iterator[Prediction]:
        """Yield what `predict` returns, for any number of images, while later ones are still being read.

        Raises what `predict` raises, as the predictions are asked for; `TypeError` at once.

        >>> images = ["photos/dog/dog0.jpg", "photos/cat/cat0.jpg"]
        >>> [prediction.label for prediction in client.predict_stream(images, model="pets")]
        ['dog', 'cat']
        """
        _refuse_single(images)
        patience = Patience(self.server, self._timeout_s)
        wanted = Wanted(model, version, top_k, threshold)
        return PredictionStream(self._stub, images, wanted, server=self.server, patience=patience).predictions()

    def explain(
        self, image: ImageSource, *, model: str = DEFAULT_MODEL, version: int = 0, label: str = ""
    ) -> "Explanation":
        """Return where in an image the score of a class comes from: of `label`, or of the best class where empty.

        `version` 0 is the model's default. Raises `ImageError` where the image cannot be read here, `InvalidInputError`
        where it is no image for the server or the model knows no such class, `NotFoundError` where there is no such
        model or version, `FailedPreconditionError` where the version is of a kind that cannot be explained or the
        featurizer has another backbone, and `ServerError`.

        >>> explanation = client.explain("new.jpg", model="pets")
        >>> explanation.label, explanation.contributions[0]
        ('cat', (1.0, 0.5, 0.25))
        """
        name = name_of(image, 0)
        request = classifier_pb2.ExplainRequest(
            model=model,
            version=version,
            image=types_pb2.Image(id=wire_name(name), content=read_image(image)),
            label=label,
        )
        return read_explanation(name, self._call(self._stub.Explain, request))


def _refuse_single(images: object) -> None:
    if isinstance(images, str | bytes | os.PathLike) or hasattr(images, "read") or is_pixels(images):
        raise TypeError("Give a list of images, such as [image].")
