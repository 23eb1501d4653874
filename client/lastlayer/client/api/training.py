"""Training, and how good what was trained is."""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc

from lastlayer.client.api.connection import Connection
from lastlayer.client.errors import InvalidInputError, ServerError
from lastlayer.client.transport.defaults import DEFAULT_MODEL, TRAIN_TIMEOUT_S
from lastlayer.client.transport.messages.names import CLASS_WEIGHTS, PREFERENCES, RECIPES
from lastlayer.client.transport.messages.reading import read
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2

if TYPE_CHECKING:
    from lastlayer.client.data.labelled import Labelled
    from lastlayer.client.results.evaluations import Evaluation, ExampleEvaluation
    from lastlayer.client.results.models import TrainProgress
    from lastlayer.client.results.versions import ModelVersion


class TrainingMethods(Connection):
    """Training, and how good what was trained is."""

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
        on_progress: "Callable[[TrainProgress], None] | None" = None,
    ) -> "ModelVersion":
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
        from lastlayer.client.results.models import TrainProgress
        from lastlayer.client.results.versions import ModelVersion

        if recipe not in RECIPES:
            raise InvalidInputError(f"There is no recipe `{recipe}`; give one of {', '.join(RECIPES)}.")
        if class_weight not in CLASS_WEIGHTS:
            accepted = ", ".join(CLASS_WEIGHTS)
            raise InvalidInputError(f"There is no class weight `{class_weight}`; give one of {accepted}.")
        if prefer not in PREFERENCES:
            raise InvalidInputError(f"There is no preference `{prefer}`; give one of {', '.join(PREFERENCES)}.")
        # The key makes a repeated call yield the version of the first one, even where only the answer was lost.
        request = classifier_pb2.TrainRequest(
            model=model,
            dataset=dataset,
            recipe=RECIPES[recipe],
            class_weight=CLASS_WEIGHTS[class_weight],
            min_precision=min_precision,
            preference=PREFERENCES[prefer],
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
                        return read(ModelVersion, event.version)
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
        on_example: "Callable[[ExampleEvaluation], None] | None" = None,
    ) -> "Evaluation":
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
        from lastlayer.client.data.images import gather
        from lastlayer.client.data.labelled import to_examples
        from lastlayer.client.transport.evaluation import EvaluationRun

        known = tuple(to_examples(examples, multi_label=multi_label))
        if multi_label:
            known = gather(known)
        if not known:
            raise InvalidInputError("There are no examples to evaluate.")
        run = EvaluationRun(self._stub, known, model=model, version=version, on_example=on_example)
        return run.repeat(Patience(self.server, self._timeout_s), self._timeout_s)
