"""The featurizer's settings: where they come from, what is refused, and the table that shows them."""

from pathlib import Path

import pytest

from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.weights.progress import progress_lines
from lastlayer.rpc.settings import SettingsError, load_settings, settings_table


def test_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "LASTLAYER_HOME",
        "LASTLAYER_MIRROR",
        "LASTLAYER_BACKBONE",
        "FEATURIZER_ENGINE",
        "FEATURIZER_PRECISION",
    ):
        monkeypatch.setenv(name, "")  # as good as absent
    settings = load_settings(FeaturizerSettings)
    assert (settings.address, settings.backbone, settings.mirror) == ("127.0.0.1:50051", "auto", None)
    assert settings.weights_folder == Path.home() / ".lastlayer" / "weights"
    assert settings.max_image_pixels == 64_000_000
    assert (settings.engine, settings.precision) == ("auto", "auto")


def test_the_environment_is_read_and_an_override_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTLAYER_BACKBONE", "googlenet")
    monkeypatch.setenv("LASTLAYER_MIRROR", "~/mirror")
    monkeypatch.setenv("FEATURIZER_MAX_BATCH_IMAGES", "8")
    settings = load_settings(FeaturizerSettings, backbone="xception", address=None)
    assert (settings.backbone, settings.max_batch_images) == ("xception", 8)
    assert settings.mirror == Path.home() / "mirror"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FEATURIZER_MAX_BATCH_IMAGES", "-1", "is `-1`, but it should be greater than or equal to 0."),
        ("FEATURIZER_MAX_BATCH_IMAGES", "many", "is `many`, but it should be a valid integer"),
        ("FEATURIZER_LOG_FORMAT", "xml", "is `xml`, but it should be 'console' or 'json'."),
        ("FEATURIZER_ADDRESS", "50051", "is `50051`, but HOST:PORT is needed, such as 127.0.0.1:50051."),
        ("FEATURIZER_ADDRESS", "localhost:70000", "is `localhost:70000`, but HOST:PORT is needed"),
        ("FEATURIZER_MAX_QUEUED_IMAGES", "10", "must be at least FEATURIZER_MAX_IMAGES_PER_REQUEST."),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(FeaturizerSettings)
    assert str(caught.value).startswith(variable)
    assert said in str(caught.value)


def test_the_table_has_a_row_a_setting() -> None:
    lines = settings_table(FeaturizerSettings).splitlines()
    assert len(lines) == 2 + len(FeaturizerSettings.model_fields)
    assert "| `FEATURIZER_ADDRESS` | `127.0.0.1:50051` | HOST:PORT to listen on |" in lines
    assert any(line.startswith("| `LASTLAYER_MIRROR` |  | ") for line in lines)


def test_progress_is_said_at_every_tenth() -> None:
    said: list[str] = []
    show = progress_lines(said.append)
    for done in range(0, 2_000_001, 50_000):
        show("graph.pb", done, 2_000_000)
    assert len(said) == 10
    assert said[0] == "fetching graph.pb: 0.2 MB (10 % of 2.0 MB)"
    assert said[-1] == "fetching graph.pb: 2.0 MB (100 % of 2.0 MB)"


def test_progress_without_a_known_end_is_said_every_10_mb() -> None:
    said: list[str] = []
    show = progress_lines(said.append)
    for done in range(0, 25_000_000, 1_000_000):
        show("graph.pb", done, None)
    assert said == ["fetching graph.pb: 10.0 MB", "fetching graph.pb: 20.0 MB"]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("FEATURIZER_MAX_QUEUD_IMAGES", "FEATURIZER_MAX_QUEUED_IMAGES"),
        ("FEATURIZER_ADRESS", "FEATURIZER_ADDRESS"),
        ("FEATURIZER_LOGLEVEL", "FEATURIZER_LOG_LEVEL"),
    ],
)
def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, meant: str) -> None:
    monkeypatch.setenv(variable, "8")
    with pytest.raises(SettingsError) as caught:
        load_settings(FeaturizerSettings)
    assert str(caught.value) == f"There is no setting {variable}; {meant} is meant, perhaps."


def test_what_others_set_is_no_misspelt_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets these in each container, for a service that is called `featurizer`."""
    for name in ("PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GRPC", "PORT_50051_TCP", "PORT_50051_TCP_ADDR"):
        monkeypatch.setenv(f"FEATURIZER_{name}", "8")
    assert load_settings(FeaturizerSettings).max_queued_images == 512
