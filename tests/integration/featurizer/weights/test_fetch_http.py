"""Downloads over real HTTP from a server that breaks off, lies, redirects, refuses and changes its mind."""

from pathlib import Path

import pytest

from lastlayer.featurizer.errors import FetchError
from lastlayer.featurizer.weights.download import Limits, download
from tests.integration.featurizer.web import Page, Web, sha256

CONTENT = bytes(range(256)) * 4000  # about 1 MB
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2


class Shown:
    """Keeps what progress was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int | None]] = []

    def __call__(self, what: str, done: int, total: int | None) -> None:
        self.calls.append((what, done, total))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_lands_alone_and_progress_reaches_its_end(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(CONTENT, etag='"1"'))
    shown = Shown()
    download(url, tmp_path / "new" / "weights.pb", sha256(CONTENT), shown)
    assert (tmp_path / "new" / "weights.pb").read_bytes() == CONTENT
    assert left(tmp_path / "new") == ["weights.pb"]
    assert shown.calls[-1] == (url, len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("chunked", [False, True])
def test_what_breaks_off_is_resumed_where_it_stopped(web: Web, tmp_path: Path, chunked: bool) -> None:
    page = Page(CONTENT, etag='"1"', chunked=chunked)
    url = web.add("/weights.pb", Page(CONTENT, etag='"1"', cut_after=HALF, chunked=chunked), page)
    download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert (tmp_path / "weights.pb").read_bytes() == CONTENT
    assert web.ranges() == [None, f"bytes={HALF}-"]
    assert web.requests[1][1]["if-range"] == '"1"'
    assert left(tmp_path) == ["weights.pb"]


def test_the_next_call_resumes_what_kept_breaking_off(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(CONTENT, cut_after=HALF), Page(CONTENT, cut_after=0))
    with pytest.raises(FetchError, match=f"broke off after {HALF} bytes; fetch again to resume"):
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert len(web.requests) == 2, "nothing came of the second try, so there was no third"
    web.add("/weights.pb", Page(CONTENT))
    download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert (tmp_path / "weights.pb").read_bytes() == CONTENT
    assert web.ranges()[-1] == f"bytes={HALF}-"


def test_a_transfer_that_always_breaks_off_is_given_up(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(CONTENT, cut_after=1000))
    with pytest.raises(FetchError, match="broke off after 4000 bytes"):
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert len(web.requests) == 4


def test_a_server_that_ignores_ranges_begins_anew(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(CONTENT, cut_after=HALF), Page(CONTENT, ranges=False))
    download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert (tmp_path / "weights.pb").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_whole(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(OTHER, etag='"old"', cut_after=HALF), Page(CONTENT, etag='"new"'))
    download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert (tmp_path / "weights.pb").read_bytes() == CONTENT


def test_a_weak_etag_is_no_proof_of_the_same_bytes(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(CONTENT, etag='W/"1"', cut_after=HALF), Page(CONTENT, etag='W/"1"'))
    download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert "if-range" not in web.requests[1][1]


def test_a_rest_longer_than_the_file_is_thrown_away(web: Web, tmp_path: Path) -> None:
    (tmp_path / "weights.pb.part").write_bytes(CONTENT + b"more")
    url = web.add("/weights.pb", Page(CONTENT))
    download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert (tmp_path / "weights.pb").read_bytes() == CONTENT
    assert web.ranges() == [f"bytes={len(CONTENT) + 4}-", None]


def test_another_checksum_deletes_the_file_and_names_both(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(OTHER, etag='"1"'))
    with pytest.raises(FetchError) as caught:
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert str(caught.value) == (
        f"{url} has the checksum {sha256(OTHER)}, but {sha256(CONTENT)} is expected; it is not used."
    )
    assert left(tmp_path) == []


def test_a_redirect_is_followed(web: Web, tmp_path: Path) -> None:
    web.add("/elsewhere", Page(CONTENT))
    url = web.add("/weights.pb", Page(status=302, location="/elsewhere"))
    download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert (tmp_path / "weights.pb").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("location", "said"),
    [("/weights.pb", "redirect error"), ("file:///etc/hostname", "not allowed")],
    ids=["in a circle", "to a file"],
)
def test_a_bad_redirect_is_not_followed(web: Web, tmp_path: Path, location: str, said: str) -> None:
    url = web.add("/weights.pb", Page(status=302, location=location))
    with pytest.raises(FetchError, match=rf"answered 302 .*{said}") as caught:
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_is_final_and_names_the_url(web: Web, tmp_path: Path, status: int) -> None:
    url = web.add("/weights.pb", Page(status=status))
    with pytest.raises(FetchError, match=rf"{url} answered {status} "):
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert len(web.requests) == 1


def test_a_refusal_keeps_what_came_before(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(CONTENT, cut_after=HALF), Page(status=503))
    with pytest.raises(FetchError, match="answered 503"):
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert (tmp_path / "weights.pb.part").stat().st_size == HALF


def test_a_silent_server_is_given_up(web: Web, tmp_path: Path) -> None:
    url = web.add("/weights.pb", Page(silent=True))
    with pytest.raises(FetchError, match=rf"{url} cannot be reached: .*(timed out|no answer)"):
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown(), limits=Limits(silence_s=0.05))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/weights.pb", "cannot be reached: .*refused"),
        ("http://127.0.0.1:port/weights.pb", "cannot be reached: .*port"),
        ("http://[::1/weights.pb", "cannot be reached: "),
        ("file:///etc/hostname", "only http and https"),
        ("weights.pb", "only http and https"),
    ],
)
def test_an_url_that_leads_nowhere_is_named(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(FetchError, match=said) as caught:
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
    assert url in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    url = web.add("/weights.pb", Page(CONTENT))
    with pytest.raises(FetchError, match=rf"`{tmp_path}/file` cannot be read or written"):
        download(url, tmp_path / "file" / "weights.pb", sha256(CONTENT), Shown())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_named(web: Web, tmp_path: Path) -> None:
    (tmp_path / "weights.pb.part").symlink_to("/dev/full")
    url = web.add("/weights.pb", Page(CONTENT))
    with pytest.raises(FetchError, match=rf"`{tmp_path}` cannot be written: the disk is full"):
        download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())


class TestHostileServers:
    """What a server that means harm, or a broken one, can make us write, wait for and say."""

    def test_a_file_without_an_end_is_given_up_at_the_limit_and_nothing_of_it_is_kept(
        self, web: Web, tmp_path: Path
    ) -> None:
        url = web.add("/weights.pb", Page(CONTENT, endless=True))
        shown = Shown()
        with pytest.raises(FetchError, match=rf"{url} is larger than 3000000 bytes, which these weights are not"):
            download(url, tmp_path / "weights.pb", sha256(CONTENT), shown, limits=Limits(max_bytes=3_000_000))
        assert left(tmp_path) == []
        assert max(done for _, done, _ in shown.calls) <= 3_000_000 + (1 << 18)

    def test_a_file_that_says_that_it_is_too_large_is_not_begun(self, web: Web, tmp_path: Path) -> None:
        url = web.add("/weights.pb", Page(CONTENT))
        shown = Shown()
        with pytest.raises(FetchError, match="is larger than 1000 bytes"):
            download(url, tmp_path / "weights.pb", sha256(CONTENT), shown, limits=Limits(max_bytes=1000))
        assert left(tmp_path) == []
        assert all(done == 0 for _, done, _ in shown.calls)

    def test_a_server_that_sends_a_byte_at_a_time_is_given_up(self, web: Web, tmp_path: Path) -> None:
        url = web.add("/weights.pb", Page(pause_s=0.01))
        limits = Limits(stall_s=0.3)
        with pytest.raises(
            FetchError, match=rf"{url} is too slow: \d+ bytes came in 0.3 seconds; fetch again to resume"
        ):
            download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown(), limits=limits)

    def test_no_download_goes_on_for_ever(self, web: Web, tmp_path: Path) -> None:
        url = web.add("/weights.pb", Page(pause_s=0.01))
        limits = Limits(stall_bytes=0, total_s=0.3)
        with pytest.raises(FetchError, match=rf"{url} is not there after 0.3 seconds; fetch again to resume"):
            download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown(), limits=limits)

    def test_a_reason_cannot_control_the_terminal(self, web: Web, tmp_path: Path) -> None:
        url = web.add("/weights.pb", Page(status=404, reason="gone\x1b[2J\x9b31m" + "x" * 1000))
        with pytest.raises(FetchError) as caught:
            download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
        assert "gone\\x1b[2J\\x9b31mxxx" in str(caught.value)
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize("content_range", ["nonsense", "bytes 5-9/10"])
    def test_a_part_that_nobody_asked_for_is_said_to_be_that(
        self, web: Web, tmp_path: Path, content_range: str
    ) -> None:
        url = web.add("/weights.pb", Page(CONTENT, status=206, ranges=False, content_range=content_range))
        with pytest.raises(FetchError, match=rf"{url} answered with another part of the file than the one asked for"):
            download(url, tmp_path / "weights.pb", sha256(CONTENT), Shown())
        assert left(tmp_path) == []

    def test_what_progress_raises_ends_a_download_that_nothing_comes_of(self, web: Web, tmp_path: Path) -> None:
        url = web.add("/weights.pb", Page(silent=True))

        def give_up(what: str, done: int, total: int | None) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            download(url, tmp_path / "weights.pb", sha256(CONTENT), give_up, limits=Limits(silence_s=600))
