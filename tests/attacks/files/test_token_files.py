"""Files of tokens that are far too large, or made to break their reader."""

import hashlib
import logging
import time
from pathlib import Path

import pytest

from lastlayer.rpc.credentials.tls import CredentialsError
from lastlayer.rpc.credentials.tokens import TokenFile

GIB = 2**30


def entry(token: str) -> str:
    return (
        f'[[tokens]]\nname = "{token}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\nscopes = ["predict"]\n'
    )


def test_a_file_of_a_gibibyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    with path.open("wb") as file:
        file.truncate(GIB)  # takes no room on the disk
    began = time.process_time()
    with pytest.raises(CredentialsError, match="is larger than 1 MiB"):
        TokenFile(path)
    assert time.process_time() - began < 5  # of a hundred times as much to read it


def test_a_file_that_becomes_one_of_a_million_tokens_lets_nobody_in_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(entry("web"))
    tokens = TokenFile(path)
    assert tokens.allows("Bearer web", "predict")
    path.write_text(entry("web") * 1_000_000)
    with caplog.at_level(logging.ERROR):
        assert not tokens.allows("Bearer web", "predict")
    assert "is larger than 1 MiB" in caplog.text
    path.write_text(entry("web") + entry("other"))
    assert tokens.allows("Bearer web", "predict")


def test_thousands_of_tokens_are_looked_up_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text("".join(entry(f"token {number}") for number in range(6_000)))
    tokens = TokenFile(path)
    assert tokens.allows("Bearer token 5999", "predict")
    assert not tokens.allows("Bearer token 6000", "predict")


@pytest.mark.parametrize("content", ["a = " + "[" * 100_000, "tokens = " + "{a=" * 100_000], ids=["lists", "tables"])
def test_what_is_nested_deep_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(content)
    with pytest.raises(CredentialsError, match=r"holds no tokens|is not TOML"):
        TokenFile(path)
    path.write_text(entry("web"))
    tokens = TokenFile(path)
    path.write_text(content)
    assert not tokens.allows("Bearer web", "predict")
