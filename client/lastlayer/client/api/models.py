"""Models and their versions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lastlayer.client.api.connection import PAGE_SIZE, Connection
from lastlayer.client.results.models import Model
from lastlayer.client.transport.messages.reading import read
from lastlayer.v1 import classifier_pb2

if TYPE_CHECKING:
    from lastlayer.client.results.drift import Drift
    from lastlayer.client.results.versions import Head, ModelVersion


class ModelMethods(Connection):
    """Models and their versions."""

    def list_models(self) -> Iterator[Model]:
        """Yield the models by name. Raises `ServerError`.

        >>> [model.name for model in client.list_models()]
        ['default', 'pets']
        """
        for page in self._pages(self._stub.ListModels, classifier_pb2.ListModelsRequest(page_size=PAGE_SIZE)):
            yield from (read(Model, entry) for entry in page.models)

    def get_model(self, name: str) -> Model:
        """Return one model. Raises `NotFoundError` where there is none of this name, and `ServerError`.

        >>> client.get_model("pets").default_version
        1
        """
        return read(Model, self._call(self._stub.GetModel, classifier_pb2.GetModelRequest(name=name)))

    def delete_model(self, name: str) -> None:
        """Delete a model with all its versions.

        Raises `NotFoundError` where there is none of this name, and `ServerError`; the call is not repeated.

        >>> client.delete_model("pets")
        """
        self._call(self._stub.DeleteModel, classifier_pb2.DeleteModelRequest(name=name), repeat=False)

    def list_versions(self, model: str) -> "Iterator[ModelVersion]":
        """Yield the versions of a model, the newest first.

        Raises `NotFoundError` where there is no such model, and `ServerError`.

        >>> [version.version for version in client.list_versions("pets")]
        [5, 4, 3, 2, 1]
        """
        from lastlayer.client.results.versions import ModelVersion

        request = classifier_pb2.ListModelVersionsRequest(model=model, page_size=PAGE_SIZE)
        for page in self._pages(self._stub.ListModelVersions, request):
            yield from (read(ModelVersion, entry) for entry in page.versions)

    def get_version(self, model: str, version: int = 0) -> "ModelVersion":
        """Return one version of a model; 0 is its default.

        Raises `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> client.get_version("pets", 2).taps
        ('mixed4e', 'avgpool0')
        """
        from lastlayer.client.results.versions import ModelVersion

        request = classifier_pb2.GetModelVersionRequest(model=model, version=version)
        return read(ModelVersion, self._call(self._stub.GetModelVersion, request))

    def drift(self, model: str, version: int = 0) -> "Drift":
        """Return whether the images that a version predicts are like those that it was trained on; 0 is the default.

        Of several classifiers on one store the one that answers tells of what it predicted itself. Raises
        `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> drift = client.drift("pets")
        >>> drift.state, drift.drifting, drift.image_count
        ('drifting', True, 450)
        """
        from lastlayer.client.results.drift import Drift

        request = classifier_pb2.GetDriftRequest(model=model, version=version)
        return read(Drift, self._call(self._stub.GetDrift, request))

    def get_head(self, model: str, version: int = 0) -> "Head":
        """Return the numbers of a version's head; 0 is the model's default version.

        Raises `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> head = client.get_head("pets")
        >>> sum(head.dimensions), len(head.classes), len(head.weights)
        (3, 2, 24)
        """
        from lastlayer.client.results.versions import Head

        request = classifier_pb2.GetHeadRequest(model=model, version=version)
        return read(Head, self._call(self._stub.GetHead, request))

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
        return read(Model, self._call(self._stub.SetDefaultVersion, request))
