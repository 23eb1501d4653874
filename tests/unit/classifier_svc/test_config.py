"""What the classifier can be told, and the sentence for what it cannot."""

import pytest

from classifier_svc.config import ClassifierSettings
from rpc.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLASSIFIER_ADDRESS", "CLASSIFIER_FEATURIZER", "CLASSIFIER_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LASTLAYER_HOME", "/data/lastlayer")


def test_it_listens_to_this_machine_alone_unless_told_otherwise() -> None:
    settings = load_settings(ClassifierSettings)
    assert settings.address == "127.0.0.1:50052"
    assert settings.store == "sqlite:////data/lastlayer/store/lastlayer.db"


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_ADDRESS", "0.0.0.0:1")
    assert load_settings(ClassifierSettings).address == "0.0.0.0:1"
    assert load_settings(ClassifierSettings, address="[::1]:2").address == "[::1]:2"


@pytest.mark.parametrize(
    ("featurizer", "target"),
    [
        ("featurizer:50051", "featurizer:50051"),
        ("dns:///featurizer:50051", "dns:///featurizer:50051"),
        ("10.0.0.1:1, 10.0.0.2:1", "ipv4:10.0.0.1:1,10.0.0.2:1"),
        ("[::1]:1,[::2]:1", "ipv6:[::1]:1,[::2]:1"),
    ],
)
def test_featurizers_are_named_as_grpc_names_them(featurizer: str, target: str) -> None:
    assert load_settings(ClassifierSettings, featurizer=featurizer).featurizer_target == target


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("CLASSIFIER_ADDRESS", "50052", "HOST:PORT"),
        ("CLASSIFIER_ADDRESS", "localhost:port", "HOST:PORT"),
        ("CLASSIFIER_FEATURIZER", "one:1,two:1", "a list needs IP addresses"),
        ("CLASSIFIER_LOG_FORMAT", "xml", "'console' or 'json'"),
        ("CLASSIFIER_GRACE_SECONDS", "soon", "number"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    variable: str, value: str, accepted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable} is `{value}`") as caught:
        load_settings(ClassifierSettings)
    assert accepted in str(caught.value)
