"""Both services, which serve on whatever they are sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from lastlayer.client import Client, LabelledImage
from lastlayer.local.services import Service
from tests.e2e.conftest import running_classifier
from tests.e2e.test_processes import write_photos

MAX_GROWTH_BYTES: Final = 900e6
"""How much more memory a service may take at its peak than when it started: an image of 64 megapixels takes 192 MB, and
there are two decoders."""


@dataclass(frozen=True)
class Target:
    """The services, with a model `default` of three colours."""

    featurizer: Service
    classifier: Service
    photos: Path
    """A folder for each colour."""

    def check(self) -> None:
        """Both serve, and rightly."""
        with Client(self.classifier.address, timeout_s=60) as client:
            for label in ("red", "green", "blue"):
                [prediction] = client.predict([self.photos / label / "000.jpg"])
                assert prediction.label == label


def peak_bytes(service: Service) -> int:
    """Return the most memory that a service has taken so far."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.fixture(scope="package")
def target(featurizer: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("bad-input")
    write_photos(folder / "photos", each=3)
    with running_classifier(featurizer, folder / "state") as classifier:
        pair = featurizer, classifier
        target = Target(*pair, folder / "photos")
        with Client(target.classifier.address, timeout_s=60) as client:
            paths = sorted((folder / "photos").rglob("*.*"))
            client.add_examples([LabelledImage(path, path.parent.name) for path in paths])
            client.train()
        target.check()
        before = [peak_bytes(service) for service in pair]
        yield target
        target.check()
        for service, peak in zip(pair, before, strict=True):
            assert service.process is not None
            assert service.process.poll() is None
            assert peak_bytes(service) - peak < MAX_GROWTH_BYTES, service.script
            assert "Traceback" not in service.log.read_text()
