"""The file of tokens: which are let in for what, how it is renewed, and what is said where it is wrong."""

import datetime
import errno
import hashlib
import os
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from lastlayer.rpc.credentials.tls import CredentialsError
from lastlayer.rpc.credentials.tokens import TokenFile
from lastlayer.rpc.errors import PermissionDeniedError, UnauthenticatedError

TODAY = datetime.datetime.now(datetime.UTC).date()
DAY = datetime.timedelta(days=1)


def entry(token: str, scope: str = "predict", more: str = "") -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f'[[tokens]]\nname = "{token}"\nsha256 = "{digest}"\nscopes = ["{scope}"]\n{more}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(
        entry("web")
        + entry("boss", "admin")
        + entry("new-web")
        + entry("old", more=f"expires = {TODAY - DAY}")
        + entry("today", more=f"expires = {TODAY}")
        + entry("gone", more="expires = 2020-01-01T12:00:00+01:00")
        + entry("later", more="expires = 2999-01-01T12:00:00Z")
    )
    return path


@pytest.mark.parametrize("token", ["web", "new-web", "boss", "today", "later"])
def test_valid_tokens_are_let_in(path: Path, token: str) -> None:
    assert TokenFile(path).find_refusal(f"Bearer {token}", "predict") is None
    assert TokenFile(path).find_refusal(f"bearer {token}", "predict") is None


@pytest.mark.parametrize("token", ["wrong", "old", "gone", "we", "webb", "WEB", "é"])
def test_wrong_and_expired_ones_are_told_the_same(path: Path, token: str) -> None:
    refusal = TokenFile(path).find_refusal(f"Bearer {token}", "predict")
    assert isinstance(refusal, UnauthenticatedError)
    assert refusal.message == "The token is not valid."


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "web", "Basic web"])
def test_without_a_token_it_is_told_how_to_send_one(path: Path, authorization: str) -> None:
    refusal = TokenFile(path).find_refusal(authorization, "predict")
    assert isinstance(refusal, UnauthenticatedError)
    assert "authorization: Bearer TOKEN" in refusal.message


def test_a_scope_bounds_what_a_token_is_for(path: Path) -> None:
    tokens = TokenFile(path)
    assert tokens.find_refusal("Bearer boss", "admin") is None
    refusal = tokens.find_refusal("Bearer web", "admin")
    assert isinstance(refusal, PermissionDeniedError)
    assert "`admin`" in refusal.message
    assert "web" not in refusal.message


def test_a_replaced_file_counts_at_once(path: Path, tmp_path: Path) -> None:
    tokens = TokenFile(path)
    other = tmp_path / "other"
    other.write_text(entry("another"))
    other.replace(path)
    assert tokens.find_refusal("Bearer another", "predict") is None
    assert tokens.find_refusal("Bearer web", "predict") is not None


def broken() -> float:
    """The metric that tells of a file that cannot be used."""
    value = REGISTRY.get_sample_value("lastlayer_tokens_file_broken")
    assert value is not None
    return value


@pytest.mark.parametrize("content", ["", "[[tokens]]", "no TOML at all", None])
def test_while_the_file_is_broken_nobody_is_let_in(
    path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever emptied or removed it may have wanted to revoke a token."""
    tokens = TokenFile(path)
    sound = path.read_text()
    assert broken() == 0
    path.unlink()
    if content is not None:
        path.write_text(content)
    for authorization in ("Bearer web", "Bearer boss"):
        refusal = tokens.find_refusal(authorization, "predict")
        assert isinstance(refusal, UnauthenticatedError)
        assert refusal.message == "The token is not valid."
    assert not tokens.allows("Bearer boss", "admin")
    assert caplog.text.count("nobody is let in until the tokens can be read again: ") == 1
    assert broken() == 1
    path.write_text(sound)
    assert tokens.find_refusal("Bearer web", "predict") is None
    assert broken() == 0


def test_an_empty_list_means_nobody_and_is_no_fault(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = TokenFile(path)
    path.write_text("tokens = []")
    assert isinstance(tokens.find_refusal("Bearer web", "predict"), UnauthenticatedError)
    assert broken() == 0
    assert "nobody is let in" not in caplog.text


def test_a_pipe_in_the_place_of_the_file_hangs_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = TokenFile(path)
    path.unlink()
    os.mkfifo(path)
    assert tokens.find_refusal("Bearer web", "predict") is not None
    assert "it is no file" in caplog.text
    with pytest.raises(CredentialsError, match="it is no file"):
        TokenFile(path)


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    tokens = TokenFile(path, clock=lambda: now)
    os.utime(path, ns=(1, 1))  # seen, and then a fault of the drive that leaves no trace
    with monkeypatch.context() as fault:
        fault.setattr(Path, "open", broken_drive)
        assert tokens.find_refusal("Bearer web", "predict") is not None
    assert "Input/output error" in caplog.text
    now += 1
    assert tokens.find_refusal("Bearer web", "predict") is None


def broken_drive(*_: object) -> str:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_a_token_allows_is_told_without_a_word(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = TokenFile(path)
    assert tokens.allows("Bearer boss", "admin")
    for other in ("Bearer web", "Bearer wrong", "Bearer old", "Basic boss", "Bearer ", ""):
        assert not tokens.allows(other, "admin")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "tokens: Field required"),
        ("tokens = []", "tokens"),
        ("[[tokens]", "is not TOML"),
        (entry("x").replace("sha256", "sha"), "tokens.0.sha256: Field required"),
        (entry("x", "root"), "tokens.0.scopes"),
        (entry("x").replace('["predict"]', "[]"), "tokens.0.scopes"),
        (entry("x", more="expires = 2020-01-01T12:00:00"), "tokens.0.expires"),
        (entry("x", more='token = "x"'), "tokens.0.token"),
        ('[[tokens]]\nname = "x"\nsha256 = "the secret"\nscopes = ["predict"]', "tokens.0.sha256"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_without_its_content(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(content)
    with pytest.raises(CredentialsError) as caught:
        TokenFile(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "the secret" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"missing.toml` cannot be read: No such file"):
        TokenFile(tmp_path / "missing.toml")


def test_a_file_that_is_gone_is_complained_of_once_a_minute(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    tokens = TokenFile(path, clock=lambda: now)
    content = path.read_text()
    path.unlink()
    for _ in range(100):
        assert tokens.find_refusal("Bearer web", "predict") is not None
    assert caplog.text.count("nobody is let in") == 1
    now += 59
    tokens.find_refusal("Bearer web", "predict")
    assert caplog.text.count("nobody is let in") == 1
    now += 1
    tokens.find_refusal("Bearer web", "predict")
    assert caplog.text.count("nobody is let in") == 2
    # What is wrong after it was right again is told at once.
    path.write_text(content)
    tokens.find_refusal("Bearer web", "predict")
    path.unlink()
    tokens.find_refusal("Bearer web", "predict")
    assert caplog.text.count("nobody is let in") == 3
