"""The server: whether it serves, and with which network."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AvailableBackbone:
    """A network that the featurizer has on disk and does not serve."""

    name: str
    imagenet_accuracy: float | None
    """The share of ImageNet's validation images whose class it tells, from 0 to 1; None where it is not known."""
    relative_speed: float
    """How many images it computes while `inception5h` computes one; 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """The network that the featurizer serves."""

    name: str
    digest: str
    """64 hexadecimal digits: features of different digests are never compared or mixed."""
    device: str
    """What computes the features, such as `CPU`."""
    precision: str
    """The arithmetic of the network, such as `float32`."""
    imagenet_accuracy: float | None
    """As `AvailableBackbone.imagenet_accuracy`."""
    relative_speed: float
    """As `AvailableBackbone.relative_speed`."""
    others: tuple[AvailableBackbone, ...] = ()
    """What else was on the featurizer's disk when it started."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Whether the server serves, and with which backbone."""

    server: str
    services: dict[str, str]
    """What health says, such as `SERVING`: of the `server` as a whole, of the classifier's service by its name, and of
    what needs the `featurizer`.
    """
    backbone: str
    """The backbone that featurized the newest example; empty where there is none yet, or where it is not visible."""
    datasets_visible: bool = True
    """Whether the caller's token is for datasets too, which tell the backbone."""

    @property
    def serving(self) -> bool:
        """Whether everything serves."""
        return all(state == "SERVING" for state in self.services.values())
