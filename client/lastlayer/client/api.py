"""The Python client of the classifier: every method of the service, with deadlines, retries and plain results."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

import grpc

from lastlayer.client.data.images import ImageSource, gather, name_of, read_image, wire_name
from lastlayer.client.data.pixels import is_pixels
from lastlayer.client.errors import AccessError, InvalidInputError, NotFoundError, ServerError, from_call
from lastlayer.client.results import (
    AddedExamples,
    Backbone,
    Dataset,
    Drift,
    Embeddings,
    Evaluation,
    ExampleEvaluation,
    ExampleMap,
    ExampleOutcome,
    ExamplePage,
    Explanation,
    ExportedDataset,
    Head,
    Model,
    ModelVersion,
    MovedDataset,
    NextExamples,
    PooledImages,
    Prediction,
    Predictions,
    Review,
    ServerStatus,
    SimilarExamples,
    StoredExample,
    TrainProgress,
)
from lastlayer.client.transport import messages as wire
from lastlayer.client.transport.channel import Security, check_server, close_after_interrupt, open_channel
from lastlayer.client.transport.defaults import DEFAULT_MODEL, DEFAULT_SERVER, DEFAULT_TIMEOUT_S, TRAIN_TIMEOUT_S
from lastlayer.client.transport.prediction import PredictionStream, Wanted, predict
from lastlayer.client.transport.retry import Patience
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, FEATURES_HEALTH
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from lastlayer.client.data.images import LabelledImage
    from lastlayer.client.data.labelled import Labelled, Unlabelled
    from lastlayer.client.transport.adding.examples import ExampleUpload

"""The serving name of what needs the featurizer."""
_PAGE_SIZE: Final = 1000
ExampleKey: TypeAlias = str | bytes
"""An example's id, or the first 4 to 32 bytes of its image's sha256."""
_ResponseT = TypeVar("_ResponseT", bound="Message")


class Client:
    """A connection to a classifier. An instance may be shared by threads.

    A call that may be repeated without harm is repeated while the server is unavailable or says that it is busy, within
    the call's time. Every call can raise a `ServerError`: `ServerUnavailableError` where the server cannot be reached,
    `BusyError`, `DeadlineError` or `AccessError`. Every call with arguments can raise `InvalidInputError`, which names
    the argument that the server does not accept. Every call that writes can raise `FailedPreconditionError`, where the
    server's store is read-only. Each method says what else it raises.

    >>> with Client("localhost:50052") as client:
    ...     [prediction] = client.predict(["new.jpg"])
    >>> prediction.label
    'cat'
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        security: Security | None = None,
        open_channel: Callable[[str, Security | None], grpc.Channel] = open_channel,
    ) -> None:
        """Get ready to call `server`, which is `host:port`; it is connected to by the first call.

        Several classifiers that share a store are given as IP addresses and ports between commas: calls go to each in
        turn, and to the others while one is away.

        `timeout_s` is how many seconds to wait for an answer: to a call, or to one message of a stream of images. With
        `security` the server is called by TLS. `open_channel` makes the connection: for tests, and for channels with
        options of your own. Raises `InvalidInputError` where the server or the time is none, or the files of `security`
        cannot be used.
        """
        check_server(server)
        if not timeout_s > 0:
            raise InvalidInputError(f"A timeout of {timeout_s:g} seconds is not possible; give more than 0.")
        self.server = server
        self._timeout_s = timeout_s
        self._channel = open_channel(server, security)
        self._stub = classifier_pb2_grpc.ClassifierStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:
            close_after_interrupt(self._channel)

    def close(self) -> None:
        """Close the connection. The client cannot be used any more; closing it twice does no harm.

        >>> client = Client("localhost:50052")
        >>> client.close()
        """
        self._channel.close()

    # Examples, training, evaluation

    def add_examples(
        self,
        examples: "Labelled",
        *,
        dataset: str = DEFAULT_MODEL,
        thumbnails: bool = True,
        views: Sequence[str] = (),
        multi_label: bool = False,
        on_outcome: Callable[[ExampleOutcome], None] | None = None,
    ) -> AddedExamples:
        """Add labelled images to a dataset, which is created if need be. Images that are there already are not sent.

        `thumbnails` is whether the server keeps small pictures of them, for reports. `views` are what of the images is
        featurized, so that training can choose: `crop` (the centre, which is all that a new dataset has where nothing
        is said), `whole`, and these mirrored, `crop-flipped` and `whole-flipped`. A dataset keeps those that it has;
        for a further one its images are sent again. With `multi_label` the dataset's images may have several labels, or
        none; a dataset that has examples with one label each stays as it is. `on_outcome` hears of each example as it
        becomes known, not in order.

        May be repeated without harm. An image that fails is among the `failed` of the answer, and one that keeps the
        label that `relabel_examples` gave it among the `relabelled`. Raises `InvalidInputError` for an unknown view,
        and `ServerError`, also where the store is full or damaged, or the featurizer is away.

        `examples` is the path of a folder, table or archive, as `read_data` takes it, or pairs of an image and its
        label, or its labels.

        >>> added = client.add_examples("photos", dataset="pets")
        >>> added.added, added.present
        (4, 0)
        """
        from lastlayer.client.data.labelled import to_examples

        known = to_examples(examples, multi_label=multi_label)
        upload = self._upload(known, dataset, thumbnails=thumbnails, views=views, multi_label=multi_label)
        return _count(upload.outcomes(), on_outcome)

    def add_to_pool(
        self,
        images: "Unlabelled",
        *,
        dataset: str = DEFAULT_MODEL,
        thumbnails: bool = True,
        views: Sequence[str] = (),
        on_outcome: Callable[[ExampleOutcome], None] | None = None,
    ) -> PooledImages:
        """Add images without labels to the pool of a dataset, which is created if need be; see `next_examples`.

        Images that are there already are not sent, and those that have a label stay examples: their outcome has the
        label. `images` is the path of a folder, a zip archive or an image, or images as `predict` takes them, but no
        open files. All else is as for `add_examples`.

        May be repeated without harm. An image that fails is among the `failed` of the answer. Raises `DataError` where
        there are no images, `TypeError` where something is none, `InvalidInputError` for an unknown view, and
        `ServerError`.

        >>> pooled = client.add_to_pool(["new.jpg", "photos/dog/dog0.jpg"], dataset="pets")
        >>> pooled.added, pooled.labelled
        (1, 1)
        """
        from lastlayer.client.data.labelled import to_unlabelled

        added = present = labelled = 0
        failed: list[ExampleOutcome] = []
        upload = self._upload(to_unlabelled(images), dataset, thumbnails=thumbnails, views=views, pool=True)
        for outcome in upload.outcomes():
            if outcome.status == "failed":
                failed.append(outcome)
            elif outcome.label:
                labelled += 1
            elif outcome.status == "added":
                added += 1
            else:
                present += 1
            if on_outcome is not None:
                on_outcome(outcome)
        return PooledImages(added, present, labelled, tuple(failed))

    def _upload(
        self,
        images: "Iterable[LabelledImage]",
        dataset: str,
        *,
        thumbnails: bool,
        views: Sequence[str],
        pool: bool = False,
        multi_label: bool = False,
    ) -> "ExampleUpload":
        from lastlayer.client.transport.adding.examples import ExampleUpload

        if unknown := [view for view in views if view not in wire.VIEWS]:
            raise InvalidInputError(f"There is no view `{unknown[0]}`; give some of {', '.join(wire.VIEWS)}.")
        return ExampleUpload(
            self._stub,
            images,
            dataset=dataset,
            thumbnails=thumbnails,
            patience=Patience(self.server, self._timeout_s),
            views=views,
            pool=pool,
            multi_label=multi_label,
        )

    def add_features(
        self,
        folder: str | os.PathLike[str],
        *,
        dataset: str = DEFAULT_MODEL,
        on_outcome: Callable[[ExampleOutcome], None] | None = None,
    ) -> AddedExamples:
        """Add the labelled examples of a folder that `featurizer embed` or `export_dataset` wrote, with their vectors.

        `folder` is a path, or a URL that fsspec knows. The dataset is created if need be. The server keeps no pictures
        of these examples. `on_outcome` hears of each example. May be repeated without harm: vectors that are there
        already are not sent again. Rows without vectors or label are among the `failed` of the answer.

        Raises `DataError` where the folder is not whole, `InvalidInputError` where pyarrow is not installed, nothing
        has a label, or the vectors are not at all taps of the network, `FailedPreconditionError` where they are of
        another network than the dataset's, and `ServerError`.

        >>> exported = client.export_dataset("pets", "features")
        >>> added = client.add_features("features", dataset="copies")
        >>> added.added, added.present
        (0, 4)
        """
        from lastlayer.client.data.shards import Shards
        from lastlayer.client.transport.adding.features import FeatureUpload, batch_size

        shards = Shards(os.fspath(folder))
        upload = FeatureUpload(
            self._stub,
            shards.batches(batch_size(shards.manifest)),
            shards.manifest,
            dataset=dataset,
            patience=Patience(self.server, self._timeout_s),
        )
        return _count(upload.outcomes(), on_outcome)

    def train(
        self,
        model: str = DEFAULT_MODEL,
        *,
        dataset: str = "",
        recipe: str = "auto",
        class_weight: str = "none",
        min_precision: float = 0.0,
        prefer: str = "quality",
        compare: bool = False,
        unfamiliar_share: float | None = None,
        timeout_s: float = TRAIN_TIMEOUT_S,
        on_progress: Callable[[TrainProgress], None] | None = None,
    ) -> ModelVersion:
        """Train a new version of a model on a dataset (the model's name where empty) and make it the default.

        `recipe` is `auto` or `tutorial`. `class_weight` is `none`, or `balanced` so that every class counts the same.
        With a `min_precision`, from 0 to 1, the version rejects predictions so that of the others at least that share
        is correct, and images that are unlike the training images: as many as reject `unfamiliar_share` of those while
        held out (0.05 where None). `prefer` is `quality`, or `speed` for a head that needs less of the network. With
        `compare` the other recipe is estimated, too, which takes about as long again. `timeout_s` is for the whole
        training. Interrupting it leaves no version.

        Raises `NotFoundError` where there is no such dataset, `FailedPreconditionError` where it cannot be trained on
        (too few classes or examples, or features of another backbone), `InvalidInputError` for an unknown recipe or
        class weight, and `ServerError`.

        >>> version = client.train("pets", on_progress=lambda progress: None)
        >>> version.version, version.cross_validation.accuracy
        (1, 0.75)
        """
        if recipe not in wire.RECIPES:
            raise InvalidInputError(f"There is no recipe `{recipe}`; give one of {', '.join(wire.RECIPES)}.")
        if class_weight not in wire.CLASS_WEIGHTS:
            accepted = ", ".join(wire.CLASS_WEIGHTS)
            raise InvalidInputError(f"There is no class weight `{class_weight}`; give one of {accepted}.")
        if prefer not in wire.PREFERENCES:
            raise InvalidInputError(f"There is no preference `{prefer}`; give one of {', '.join(wire.PREFERENCES)}.")
        # The key makes a repeated call yield the version of the first one, even where only the answer was lost.
        request = classifier_pb2.TrainRequest(
            model=model,
            dataset=dataset,
            recipe=wire.RECIPES[recipe],
            class_weight=wire.CLASS_WEIGHTS[class_weight],
            min_precision=min_precision,
            preference=wire.PREFERENCES[prefer],
            compare=compare,
            unfamiliar_share=unfamiliar_share,
            request_id=str(uuid.uuid4()),
        )
        patience = Patience(self.server, timeout_s)
        while True:
            call = self._stub.Train(request, timeout=patience.remaining_s)
            try:
                for event in call:
                    if event.HasField("version"):
                        return wire.read(ModelVersion, event.version)
                    if on_progress is not None:
                        on_progress(TrainProgress(event.progress.message, event.progress.fraction))
                raise ServerError("The server ended the training without a version.", code="UNKNOWN")
            except grpc.RpcError as error:
                patience.wait_after(error)
            finally:
                call.cancel()  # whatever ended the loop, nobody waits for this training any more

    def evaluate(
        self,
        examples: "Labelled",
        *,
        model: str = DEFAULT_MODEL,
        version: int = 0,
        multi_label: bool = False,
        on_example: Callable[[ExampleEvaluation], None] | None = None,
    ) -> Evaluation:
        """Compare predictions with true labels; `version` 0 is the model's default. Nothing is stored.

        With `multi_label`, for a version that is, an image has all labels that the examples with it say together.

        `on_example` hears of each example. One that fails is among the `failed` of the answer. Raises `NotFoundError`
        where there is no such model or version, `InvalidInputError` where there are no examples, `DataError` where none
        of the images can be read, `FailedPreconditionError` where the featurizer has another backbone than the version,
        and `ServerError`.

        >>> evaluation = client.evaluate([("new.jpg", "cat"), ("photos/dog/dog0.jpg", "dog")], model="pets")
        >>> evaluation.metrics.accuracy, evaluation.metrics.log_loss
        (0.75, 0.5)
        """
        from lastlayer.client.data.labelled import to_examples
        from lastlayer.client.transport.evaluation import EvaluationRun

        known = tuple(to_examples(examples, multi_label=multi_label))
        if multi_label:
            known = gather(known)
        if not known:
            raise InvalidInputError("There are no examples to evaluate.")
        run = EvaluationRun(self._stub, known, model=model, version=version, on_example=on_example)
        return run.repeat(Patience(self.server, self._timeout_s), self._timeout_s)

    # Predictions

    def embed(self, images: Iterable[ImageSource], *, taps: Iterable[str] = ()) -> Embeddings:
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
    ) -> Explanation:
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
        return wire.read_explanation(name, self._call(self._stub.Explain, request))

    # The examples of datasets

    def list_examples(
        self,
        dataset: str,
        *,
        label: str = "",
        conflicts_only: bool = False,
        stale_only: bool = False,
        thumbnails: bool = False,
        pool: bool = False,
    ) -> Iterator[StoredExample]:
        """Yield the examples of a dataset in order of arrival, or with `pool` the images of its pool.

        All of them, or only those with a `label`, with several labels (`conflicts_only`) or whose image must be added
        again (`stale_only`). Raises `InvalidInputError` where these do not go together, `NotFoundError` where there is
        no such dataset, and `ServerError`.

        >>> [example.id for example in client.list_examples("pets", label="dog")]
        ['dog/dog0.jpg', 'dog/dog1.jpg']
        """
        token = ""
        while True:
            page = self.list_example_page(
                dataset,
                label=label,
                conflicts_only=conflicts_only,
                stale_only=stale_only,
                thumbnails=thumbnails,
                pool=pool,
                page_size=_PAGE_SIZE,
                page_token=token,
            )
            yield from page.examples
            if not (token := page.next_page_token):
                return

    def list_example_page(
        self,
        dataset: str,
        *,
        label: str = "",
        conflicts_only: bool = False,
        stale_only: bool = False,
        thumbnails: bool = False,
        pool: bool = False,
        page_size: int = 100,
        page_token: str = "",
    ) -> ExamplePage:
        """Return some of what `list_examples` yields: at most `page_size`, from 1 to 1000, and where to go on.

        `page_token` is the `next_page_token` of the page before, empty for the first page. Raises `InvalidInputError`
        for a size or token that is none, `NotFoundError` where there is no such dataset, and `ServerError`.

        >>> page = client.list_example_page("pets", page_size=2)
        >>> [example.id for example in page.examples], bool(page.next_page_token)
        (['cat/cat0.jpg', 'cat/cat1.jpg'], True)
        """
        request = classifier_pb2.ListExamplesRequest(
            dataset=dataset,
            page_size=page_size,
            page_token=page_token,
            label=label,
            conflicts_only=conflicts_only,
            stale_only=stale_only,
            thumbnails=thumbnails,
            pool=pool,
        )
        return wire.read(ExamplePage, self._call(self._stub.ListExamples, request))

    def get_examples(
        self, dataset: str, examples: Iterable[ExampleKey], *, thumbnails: bool = False
    ) -> tuple[StoredExample, ...]:
        """Return those of at most 1000 images that a dataset or its pool has, in order of arrival, examples first.

        They are named as for `relabel_examples`. Raises `InvalidInputError` where a name is of several, `NotFoundError`
        where there is no such dataset, and `ServerError`.

        >>> [example.labels for example in client.get_examples("pets", ["dog/dog0.jpg", "none.jpg"])]
        [('dog',)]
        """
        selected = [_selector(example) for example in examples]
        if not selected:
            return ()
        request = classifier_pb2.ListExamplesRequest(
            dataset=dataset, page_size=_PAGE_SIZE, selected=selected, thumbnails=thumbnails
        )
        pages = self._pages(self._stub.ListExamples, request)
        return tuple(wire.read(StoredExample, entry) for page in pages for entry in page.examples)

    def relabel_examples(
        self, dataset: str, examples: Iterable[ExampleKey], label: str | Sequence[str]
    ) -> tuple[int, Dataset]:
        """Give examples a label in place of all that they have; return how many changed, and the dataset.

        Images of the dataset's pool become examples by it. In a multi-label dataset several labels may be given, or
        none. The label holds: adding the images again does not bring another one.

        An example is named by its id, or by the first 4 to 32 bytes of its image's sha256. All are changed or none.
        Raises `NotFoundError` where there is no such dataset, or an example is not in it, and `ServerError`.

        >>> changed, dataset = client.relabel_examples("pets", ["cat/cat0.jpg"], "dog")
        >>> changed
        1
        """
        given = {"label": label} if isinstance(label, str) else {"labels": list(label)}
        request = classifier_pb2.RelabelExamplesRequest(dataset=dataset, examples=map(_selector, examples), **given)
        answer = self._call(self._stub.RelabelExamples, request)
        return answer.changed_count, wire.read(Dataset, answer.dataset)

    def unlabel_examples(self, dataset: str, examples: Iterable[ExampleKey]) -> tuple[int, Dataset]:
        """Take the labels of examples away and put their images into the dataset's pool; return how many changed, and
        the dataset.

        Examples are named as for `relabel_examples`, and all are changed or none. Raises `NotFoundError` where there is
        no such dataset, or an example is not in it, and `ServerError`.

        >>> changed, dataset = client.unlabel_examples("pets", ["cat/cat0.jpg"])
        >>> changed
        1
        """
        request = classifier_pb2.RelabelExamplesRequest(
            dataset=dataset, examples=map(_selector, examples), to_pool=True
        )
        answer = self._call(self._stub.RelabelExamples, request)
        return answer.changed_count, wire.read(Dataset, answer.dataset)

    def next_examples(self, dataset: str, *, count: int = 20, thumbnails: bool = False) -> NextExamples:
        """Return which images of a dataset's pool to label next, at most `count`, from 1 to 200; each with a guess.

        While labels are few they are typical of many others, later those whose class is uncertain; they are never near
        duplicates of each other, or of an example. The same call gives the same images until a label or an image comes.
        Raises `InvalidInputError` for another count, `NotFoundError` where there is no such dataset, and `ServerError`.

        >>> pooled = client.add_to_pool(["new.jpg"], dataset="pets")
        >>> found = client.next_examples("pets", count=1)
        >>> [(entry.example.id, entry.scores[0].label) for entry in found.examples]
        [('new.jpg', 'cat')]
        """
        if count == 0:
            raise InvalidInputError("There are no 0 images to label next; give a count from 1 to 200.")
        request = classifier_pb2.NextExamplesRequest(dataset=dataset, count=count, thumbnails=thumbnails)
        return wire.read(NextExamples, self._call(self._stub.NextExamples, request))

    def remove_examples(self, dataset: str, examples: Iterable[ExampleKey]) -> tuple[int, Dataset]:
        """Remove examples, or images of the pool, named as for `relabel_examples`; return how many, and the dataset.

        All are removed or none. Raises `NotFoundError` where there is no such dataset, or an example is not in it, and
        `ServerError`; the call is not repeated.

        >>> removed, dataset = client.remove_examples("pets", ["cat/cat0.jpg"])
        >>> removed
        1
        """
        request = classifier_pb2.RemoveExamplesRequest(dataset=dataset, examples=map(_selector, examples))
        answer = self._call(self._stub.RemoveExamples, request, repeat=False)
        return answer.removed_count, wire.read(Dataset, answer.dataset)

    def move_dataset(
        self,
        dataset: str,
        folders: Iterable[str | os.PathLike[str]],
        *,
        on_outcome: Callable[[ExampleOutcome], None] | None = None,
    ) -> MovedDataset:
        """Send again the images of a dataset that lack features of the network that is served now.

        They are searched for in `folders`, and those within them, by the sha256 of their files, whatever they are
        called now; those of its pool, too, unless they were captured. `on_outcome` hears of each image. Labels stay.
        Where examples are `missing`, the dataset cannot be
        trained on until they are sent or removed. May be repeated without harm: what is done already is not sent again.
        Raises `NotFoundError` where there is no such dataset, `DataError` where a folder is not there or cannot be
        read, and `ServerError`, also where the store is full or damaged, or the featurizer is away.

        >>> moved = client.move_dataset("pets", ["photos"])
        >>> moved.present, moved.sent, moved.missing
        (4, 0, ())
        """
        from lastlayer.client.transport.move import Move

        # What was captured is in no folder.
        waiting = (image for image in self.list_examples(dataset, pool=True) if image.source != "captured")
        move = Move((*self.list_examples(dataset), *waiting), folders, dataset=dataset)
        move.run(self._stub, Patience(self.server, self._timeout_s), on_outcome)
        known = self.get_dataset(dataset)
        return MovedDataset(known, move.sent, move.present, tuple(move.missing), tuple(move.failed))

    def export_dataset(
        self,
        dataset: str,
        folder: str | os.PathLike[str],
        *,
        on_rows: Callable[[int], None] | None = None,
    ) -> ExportedDataset:
        """Write a dataset's ids, labels and vectors to a new folder, as the Parquet shards that `add_features` takes.

        `folder` is a path, or a URL that fsspec knows. Images with several labels have a row for each. Rows of images
        that have no vectors of the dataset's network say so in their column `error`. `on_rows` hears how many rows were
        fetched, again and again.

        Raises `NotFoundError` where there is no such dataset, `InvalidInputError` where the folder has shards already
        or cannot be written, the dataset is empty, or pyarrow is not installed, and `ServerError`.

        >>> client.export_dataset("pets", "features").rows
        4
        """
        from lastlayer.client.export.shards import ShardWriter
        from lastlayer.client.transport.adding.features import read_page

        writer: ShardWriter | None = None
        backbone: types_pb2.Backbone | None = None
        rows = stale = 0
        multi_label = False
        request = classifier_pb2.ListFeaturesRequest(dataset=dataset, page_size=_PAGE_SIZE)
        for page in self._pages(self._stub.ListFeatures, request):
            if not page.examples:
                break
            if backbone is None or writer is None:
                backbone, writer = page.backbone, ShardWriter(os.fspath(folder))
            elif page.backbone.digest != backbone.digest:
                raise ServerError("The dataset got another network meanwhile; export it again.", code="ABORTED")
            multi_label = page.multi_label
            batch, precisions = read_page(page)
            writer.add(batch, precisions)
            rows += len(batch.rows)
            stale += sum(bool(row.error) for row in batch.rows)
            if on_rows is not None:
                on_rows(len(batch.rows))
        if backbone is None or writer is None:
            raise InvalidInputError(f"The dataset `{dataset}` has no examples to export.")
        dimensions = {tap.name: tap.dimension for tap in backbone.taps}
        shards = writer.finish(backbone.name, backbone.digest, dimensions, multi_label=multi_label)
        return ExportedDataset(dataset, os.fspath(folder), rows, stale, shards)

    def review_examples(
        self, model: str, *, version: int = 0, kind: str = "suspicious", limit: int = 100, thumbnails: bool = False
    ) -> Review:
        """Return training examples that are worth a look, the worst first, at most `limit`.

        `kind` is `suspicious` for those whose label is probably wrong, or `mistakes` for those that the version
        predicted wrongly while they were held out. `version` 0 is the model's default. Raises `InvalidInputError` for
        another kind, `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> review = client.review_examples("pets", kind="mistakes", limit=3)
        >>> len(review.examples), review.total_count
        (3, 4)
        """
        if kind not in wire.REVIEW_KINDS:
            raise InvalidInputError(f"There is no kind `{kind}`; give one of {', '.join(wire.REVIEW_KINDS)}.")
        request = classifier_pb2.ReviewExamplesRequest(
            model=model, version=version, kind=wire.REVIEW_KINDS[kind], page_size=limit, thumbnails=thumbnails
        )
        return wire.read(Review, self._call(self._stub.ReviewExamples, request))

    # What datasets look like

    def similar(
        self,
        dataset: str,
        image: "ImageSource | None" = None,
        *,
        example: ExampleKey | None = None,
        count: int = 20,
        label: str = "",
        pool: bool = False,
        thumbnails: bool = False,
    ) -> SimilarExamples:
        """Return the images of a dataset whose features are nearest to those of an image, at most `count`.

        What they are compared with is an `image`, as `predict` takes it, or an `example` of the dataset, named as for
        `relabel_examples`, which is not among the results. Only images with a `label` where one is given; with `pool`
        those of the dataset's pool, too.

        Raises `TypeError` unless one of `image` and `example` is given, `ImageError` where the image cannot be read
        here, `InvalidInputError` where it is no image for the server, or the count is not from 1 to 1000,
        `NotFoundError` where there is no such dataset or example, `FailedPreconditionError` where the featurizer has
        another backbone than the dataset, and `ServerError`.

        >>> similar = client.similar("pets", "new.jpg", count=2)
        >>> [(found.example.id, found.distance) for found in similar.examples]
        [('cat/cat0.jpg', 0.0), ('cat/cat1.jpg', 0.125)]
        """
        if (image is None) == (example is None):
            raise TypeError("Give an image, or an example of the dataset.")
        request = classifier_pb2.SimilarRequest(
            dataset=dataset, count=count, label=label, pool=pool, thumbnails=thumbnails
        )
        if count == 0:
            raise InvalidInputError("There are no 0 nearest images; give a count from 1 to 1000.")
        if image is not None:
            request.image.id, request.image.content = wire_name(name_of(image, 0)), read_image(image)
        elif example is not None:
            request.example.CopyFrom(_selector(example))
        return wire.read(SimilarExamples, self._call(self._stub.Similar, request))

    def map_examples(
        self,
        dataset: str,
        *,
        method: str = "auto",
        max_examples: int = 10_000,
        pool: bool = False,
        model: str = "",
        timeout_s: float = TRAIN_TIMEOUT_S,
        on_progress: Callable[[TrainProgress], None] | None = None,
    ) -> ExampleMap:
        """Return the images of a dataset in two dimensions, so that those with similar features lie near each other.

        `method` is `pca` (quick, classes overlap), `neighbors` (classes come apart), or `auto` for `neighbors` where
        the server has its library. Of a dataset with more than `max_examples`, from 10 to 100000, a sample is laid out
        that is the same each time. With `pool` the images of the dataset's pool are on it, too. Labels that are
        suspicious to the default version of `model` are marked, where that was trained on this dataset. `timeout_s` is
        for the whole map, and `on_progress` hears how far it is.

        Raises `InvalidInputError` for an unknown method or a number out of bounds, `NotFoundError` where there is no
        such dataset or model, `FailedPreconditionError` where the server lacks the method's library, and `ServerError`.

        >>> found = client.map_examples("pets", model="pets")
        >>> [(point.labels, point.x, point.y) for point in found.points][:2]
        [(('cat',), -1.0, 0.5), (('cat',), -0.5, 0.5)]
        >>> found.method, found.example_count
        ('neighbors', 4)
        """
        if method not in wire.MAP_METHODS:
            raise InvalidInputError(f"There is no method `{method}`; give one of {', '.join(wire.MAP_METHODS)}.")
        request = classifier_pb2.MapExamplesRequest(
            dataset=dataset, method=wire.MAP_METHODS[method], max_examples=max_examples, pool=pool, model=model
        )
        patience = Patience(self.server, timeout_s)
        while True:
            call = self._stub.MapExamples(request, timeout=patience.remaining_s)
            try:
                points: list[classifier_pb2.MapPoints] = []
                for event in call:
                    if event.HasField("points"):
                        points.append(event.points)
                    elif on_progress is not None:
                        on_progress(TrainProgress(event.progress.message, event.progress.fraction))
                if not points:
                    raise ServerError("The server ended the map without a point.", code="UNKNOWN")
                return wire.read_map(points)
            except grpc.RpcError as error:
                patience.wait_after(error)
            finally:
                call.cancel()  # whatever ended the loop, nobody waits for this map any more

    # Networks, datasets, models, versions

    def get_served_backbone(self) -> Backbone:
        """Return the network that the featurizer serves now, which featurizes what is added from now on.

        Raises `ServerUnavailableError` where the featurizer is away, and `ServerError`; the call is not repeated.

        >>> backbone = client.get_served_backbone()
        >>> backbone.name, [other.name for other in backbone.others]
        ('tiny', ['xception'])
        """
        request = classifier_pb2.GetServedBackboneRequest()
        return wire.read(Backbone, self._call(self._stub.GetServedBackbone, request, repeat=False))

    def list_datasets(self) -> Iterator[Dataset]:
        """Yield the datasets by name. Raises `ServerError`.

        >>> [dataset.name for dataset in client.list_datasets()]
        ['default', 'pets']
        """
        for page in self._pages(self._stub.ListDatasets, classifier_pb2.ListDatasetsRequest(page_size=_PAGE_SIZE)):
            yield from (wire.read(Dataset, entry) for entry in page.datasets)

    def get_dataset(self, name: str) -> Dataset:
        """Return one dataset. Raises `NotFoundError` where there is none of this name, and `ServerError`.

        >>> client.get_dataset("pets").classes
        {'cat': 3}
        """
        return wire.read(Dataset, self._call(self._stub.GetDataset, classifier_pb2.GetDatasetRequest(name=name)))

    def delete_dataset(self, name: str) -> None:
        """Delete a dataset with its examples; models that were trained on it stay.

        Raises `NotFoundError` where there is none of this name, and `ServerError`; the call is not repeated.

        >>> client.delete_dataset("pets")
        """
        self._call(self._stub.DeleteDataset, classifier_pb2.DeleteDatasetRequest(name=name), repeat=False)

    def list_models(self) -> Iterator[Model]:
        """Yield the models by name. Raises `ServerError`.

        >>> [model.name for model in client.list_models()]
        ['default', 'pets']
        """
        for page in self._pages(self._stub.ListModels, classifier_pb2.ListModelsRequest(page_size=_PAGE_SIZE)):
            yield from (wire.read(Model, entry) for entry in page.models)

    def get_model(self, name: str) -> Model:
        """Return one model. Raises `NotFoundError` where there is none of this name, and `ServerError`.

        >>> client.get_model("pets").default_version
        1
        """
        return wire.read(Model, self._call(self._stub.GetModel, classifier_pb2.GetModelRequest(name=name)))

    def delete_model(self, name: str) -> None:
        """Delete a model with all its versions.

        Raises `NotFoundError` where there is none of this name, and `ServerError`; the call is not repeated.

        >>> client.delete_model("pets")
        """
        self._call(self._stub.DeleteModel, classifier_pb2.DeleteModelRequest(name=name), repeat=False)

    def list_versions(self, model: str) -> Iterator[ModelVersion]:
        """Yield the versions of a model, the newest first.

        Raises `NotFoundError` where there is no such model, and `ServerError`.

        >>> [version.version for version in client.list_versions("pets")]
        [5, 4, 3, 2, 1]
        """
        request = classifier_pb2.ListModelVersionsRequest(model=model, page_size=_PAGE_SIZE)
        for page in self._pages(self._stub.ListModelVersions, request):
            yield from (wire.read(ModelVersion, entry) for entry in page.versions)

    def get_version(self, model: str, version: int = 0) -> ModelVersion:
        """Return one version of a model; 0 is its default.

        Raises `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> client.get_version("pets", 2).taps
        ('mixed4e', 'avgpool0')
        """
        request = classifier_pb2.GetModelVersionRequest(model=model, version=version)
        return wire.read(ModelVersion, self._call(self._stub.GetModelVersion, request))

    def drift(self, model: str, version: int = 0) -> Drift:
        """Return whether the images that a version predicts are like those that it was trained on; 0 is the default.

        Of several classifiers on one store the one that answers tells of what it predicted itself. Raises
        `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> drift = client.drift("pets")
        >>> drift.state, drift.drifting, drift.image_count
        ('drifting', True, 450)
        """
        request = classifier_pb2.GetDriftRequest(model=model, version=version)
        return wire.read(Drift, self._call(self._stub.GetDrift, request))

    def get_head(self, model: str, version: int = 0) -> Head:
        """Return the numbers of a version's head; 0 is the model's default version.

        Raises `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> head = client.get_head("pets")
        >>> sum(head.dimensions), len(head.classes), len(head.weights)
        (3, 2, 24)
        """
        request = classifier_pb2.GetHeadRequest(model=model, version=version)
        return wire.read(Head, self._call(self._stub.GetHead, request))

    def delete_version(self, model: str, version: int) -> None:
        """Delete one version of a model. Deleting the last version deletes the model.

        Raises `NotFoundError` where there is no such model or version, `FailedPreconditionError` for the default
        version while the model has others, and `ServerError`; the call is not repeated.

        >>> client.delete_version("pets", 1)
        """
        request = classifier_pb2.DeleteModelVersionRequest(model=model, version=version)
        self._call(self._stub.DeleteModelVersion, request, repeat=False)

    def set_default_version(self, model: str, version: int) -> Model:
        """Make a version the one that predictions use where they name none; return the model.

        Raises `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> client.set_default_version("pets", 2).default_version
        2
        """
        request = classifier_pb2.SetDefaultVersionRequest(model=model, version=version)
        return wire.read(Model, self._call(self._stub.SetDefaultVersion, request))

    # The server

    def status(self) -> ServerStatus:
        """Return how the server is; to a token for predictions alone it does not show the backbone.

        Raises `ServerUnavailableError` where it cannot be reached, and `AccessError` where it does not know the token.
        """
        services = self.health()
        newest, visible = None, True
        if services[CLASSIFIER_SERVICE] == "SERVING":  # which lists datasets with and without a featurizer
            try:
                newest = max(self.list_datasets(), key=lambda dataset: dataset.update_time, default=None)
            except AccessError as error:
                if error.code != "PERMISSION_DENIED":
                    raise
                visible = False
        return ServerStatus(self.server, services, newest.backbone if newest is not None else "", visible)

    def health(self) -> dict[str, str]:
        """Return what health says, as `ServerStatus.services` has it. By default a server asks for no token here.

        Raises `ServerUnavailableError` where the server cannot be reached, and `AccessError` where it wants a token.

        >>> client.health()["server"]
        'SERVING'
        """
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        health: Any = health_pb2_grpc.HealthStub(self._channel)  # its types leave its methods out
        services = {}
        for label, name in (("server", ""), (CLASSIFIER_SERVICE, CLASSIFIER_SERVICE), ("featurizer", FEATURES_HEALTH)):
            try:
                answer = self._call(health.Check, health_pb2.HealthCheckRequest(service=name))
            except NotFoundError:  # a server of something else
                services[label] = "SERVICE_UNKNOWN"
            else:
                services[label] = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return services

    def _call(self, method: Callable[..., _ResponseT], request: "Message", *, repeat: bool = True) -> _ResponseT:
        patience = Patience(self.server, self._timeout_s)
        while True:
            try:
                return method(request, timeout=patience.remaining_s)
            except grpc.RpcError as error:
                if not repeat:
                    raise from_call(error, self.server) from error
                patience.wait_after(error)

    def _pages(self, method: Callable[..., _ResponseT], request: Any) -> Iterator[_ResponseT]:
        while True:
            page: Any = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _count(outcomes: Iterable[ExampleOutcome], on_outcome: Callable[[ExampleOutcome], None] | None) -> AddedExamples:
    """Return what became of all examples; `on_outcome` hears of each."""
    counts = {"added": 0, "present": 0}
    trimmed = 0
    conflicts: list[ExampleOutcome] = []
    failed: list[ExampleOutcome] = []
    relabelled: list[ExampleOutcome] = []
    for outcome in outcomes:
        trimmed += outcome.label_trimmed
        if outcome.status in counts:
            counts[outcome.status] += 1
            if outcome.relabelled:
                relabelled.append(outcome)
        else:
            (conflicts if outcome.status == "conflict" else failed).append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
    return AddedExamples(
        counts["added"], counts["present"], trimmed, tuple(conflicts), tuple(failed), tuple(relabelled)
    )


def _selector(example: ExampleKey) -> classifier_pb2.ExampleSelector:
    if isinstance(example, bytes):
        return classifier_pb2.ExampleSelector(content_sha256=example)
    return classifier_pb2.ExampleSelector(id=example)


def _refuse_single(images: object) -> None:
    if isinstance(images, str | bytes | os.PathLike) or hasattr(images, "read") or is_pixels(images):
        raise TypeError("Give a list of images, such as [image].")
