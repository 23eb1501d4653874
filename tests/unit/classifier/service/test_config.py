"""What the classifier can be told, and the sentence for what it cannot."""

import pytest

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.settings import SettingsError, load_settings


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
        ("CLASSIFIER_METRICS_ADDRESS", "9464", "HOST:PORT"),
        ("CLASSIFIER_OPEN_SERVICES", "everything", "`health`, `reflection`"),
        ("CLASSIFIER_OPEN_SERVICES", "none,health", "`health`, `reflection`"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    variable: str, value: str, accepted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable} is `{value}`") as caught:
        load_settings(ClassifierSettings)
    assert accepted in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CLASSIFIER_TLS_CERT": "x"}, "CLASSIFIER_TLS_CERT and CLASSIFIER_TLS_KEY go together."),
        ({"CLASSIFIER_TLS_KEY": "x"}, "CLASSIFIER_TLS_CERT and CLASSIFIER_TLS_KEY go together."),
        ({"CLASSIFIER_TLS_CLIENT_CA": "x"}, "CLASSIFIER_TLS_CLIENT_CA needs CLASSIFIER_TLS_CERT and"),
        (
            {"CLASSIFIER_FEATURIZER_TLS_CERT": "x"},
            "CLASSIFIER_FEATURIZER_TLS_CERT and CLASSIFIER_FEATURIZER_TLS_KEY go together.",
        ),
        (
            {"CLASSIFIER_FEATURIZER_TOKEN_FILE": "x"},
            "CLASSIFIER_FEATURIZER_TOKEN_FILE needs CLASSIFIER_FEATURIZER_TLS_CA.",
        ),
        (
            {"CLASSIFIER_FEATURIZER_TLS_CA": "x", "CLASSIFIER_FEATURIZER": "10.0.0.1:1,10.0.0.2:1"},
            "CLASSIFIER_FEATURIZER must be one dns:///NAME:PORT with TLS",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_named(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(ClassifierSettings)
    assert str(caught.value).startswith(said)
