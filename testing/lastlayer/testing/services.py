"""Both services in this process, on free ports of loopback, with a store that is deleted at the end."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lastlayer.client import Client

# What the services need is imported when they start: pytest imports this package in every run.


@dataclass(frozen=True)
class Services:
    """A featurizer and a classifier that run."""

    featurizer: str
    """The featurizer's address, `127.0.0.1:PORT`."""
    classifier: str
    """The classifier's address, which clients call."""

    def client(self) -> "Client":
        """Return a client of the classifier, which is closed as it always is: by `with`, or by `close`.

        >>> with pair.client() as client:
        ...     [*client.list_models()]
        []
        """
        from lastlayer.client import Client

        return Client(self.classifier)

    def reset(self) -> None:
        """Delete all models and datasets, so that the next test begins with none."""
        with self.client() as client:
            for model in [*client.list_models()]:
                client.delete_model(model.name)
            for dataset in [*client.list_datasets()]:
                client.delete_dataset(dataset.name)


@contextlib.contextmanager
def services(*, backbone: str | os.PathLike[str] | None = None) -> Iterator[Services]:
    """Run both services while the block lasts, in a thread of this process; yields their addresses.

    They are the real services, and take nothing from the environment. `backbone` is a network that the featurizer
    serves by TensorFlow: the name of a built-in one, or the path of a TOML file. Where it is None that is a tiny
    network with random weights, which NumPy computes: see `lastlayer.testing`.

    Raises ModuleNotFoundError, with what to install, where something is missing, and what the services raise that
    cannot start, such as `BackboneError`.

    >>> with services() as pair, pair.client() as client:
    ...     client.get_served_backbone().name
    'tiny'
    """
    try:
        from anyio.from_thread import start_blocking_portal

        import lastlayer.classifier.server as classifier_server
        import lastlayer.featurizer.service.server as featurizer_server
        from lastlayer.classifier.service.config import ClassifierSettings
        from lastlayer.featurizer.config import FeaturizerSettings
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"lastlayer.testing needs {error.name}, which is not installed: pip install 'lastlayer[testing]'",
            name=error.name,
        ) from error
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lastlayer-testing-")))
        stack.enter_context(_keep_pillows_limit())
        portal = stack.enter_context(start_blocking_portal())
        shared: dict[str, Any] = {"home": home, "address": "127.0.0.1:0", "grace_seconds": 0.0}
        # Constructed, as a call would read the environment, too. What runs a network fastest is not measured: that
        # takes longer than most tests.
        networks: dict[str, Any] = {"engine": "tensorflow", "precision": "float32"}
        if backbone is None:
            from lastlayer.testing.tiny_network import load_tiny_network

            settings = FeaturizerSettings.model_construct(**shared, **networks)
            serving = featurizer_server.running(settings, load_tiny_network)
        else:
            settings = FeaturizerSettings.model_construct(**shared, **networks, backbone=os.fspath(backbone))
            serving = featurizer_server.running(settings)
        featurizer = stack.enter_context(portal.wrap_async_context_manager(serving))
        answering = ClassifierSettings.model_construct(**shared, featurizer=featurizer)
        running = classifier_server.running(answering)
        yield Services(featurizer, stack.enter_context(portal.wrap_async_context_manager(running)))


@contextlib.contextmanager
def _keep_pillows_limit() -> Iterator[None]:
    """Leave Pillow's limit of pixels as it was: the featurizer sets it for its process, which here is that of tests."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
