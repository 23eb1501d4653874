"""What a notebook shows: predictions as tables, progress as bars, and results as a table of pandas."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from lastlayer.client import (
    Client,
    ClientError,
    ImageError,
    LabelScore,
    Prediction,
    image_progress,
    to_dataframe,
    train_progress,
)
from tests.integration.client.conftest import Photos


def test_predictions_are_tables(client: Client, photos: Photos) -> None:
    predictions = client.predict([photos.folder / "cat" / "cat0.jpg", "none<b>.jpg"])
    assert isinstance(predictions, list)
    shown = predictions._repr_html_()
    assert shown.count("<tr>") == 3
    assert "cat0.jpg</td><td>cat</td><td>0.7500</td>" in shown
    assert "none&lt;b&gt;.jpg" in shown
    assert "There is no file" in shown
    assert '<td>cat</td><td>0.7500</td><td><progress value="0.7500"' in predictions[0]._repr_html_()
    assert "<b>none&lt;b&gt;.jpg</b>: There is no file" in predictions[1]._repr_html_()


def test_names_and_labels_cannot_write_html() -> None:
    prediction = Prediction("<i>", (LabelScore("<script>", 1.0),), "m", 1, rejected=True)
    assert "<script>" not in prediction._repr_html_()
    assert "<i>" not in prediction._repr_html_()
    assert ": unknown<table>" in prediction._repr_html_()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A notebook: what is displayed comes into the list."""
    drawn: list[str] = []

    class Handle:
        def update(self, page: str) -> None:
            drawn.append(page)

    def display(page: str, *, display_id: bool) -> Handle:
        drawn.append(page)
        return Handle()

    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.HTML, ipython.display.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return drawn


def test_progress_is_a_bar(client: Client, photos: Photos, drawn: list[str], capsys: Any) -> None:
    with image_progress("Adding", 4) as tell:
        client.add_examples(photos.folder, on_outcome=tell)
    assert drawn[0] == 'Adding <progress value="0.000" max="1"></progress> '
    assert drawn[-1] == 'Adding <progress value="1.000" max="1"></progress> 4 of 4'
    with train_progress() as heard:
        client.train(on_progress=heard)
    assert drawn[-1] == 'Training <progress value="0.667" max="1"></progress> step 1'
    assert capsys.readouterr().err == ""


def test_without_pandas_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ClientError, match="A DataFrame needs pandas, which `pip install pandas` installs"):
        to_dataframe([])


def test_results_are_rows(client: Client, photos: Photos, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="a DataFrame needs pandas, which is not installed")
    predictions = client.predict([photos.folder / "cat" / "cat0.jpg", tmp_path / "none.jpg"])
    frame = to_dataframe(predictions)
    assert isinstance(frame, pandas.DataFrame)
    assert frame["label"][0] == "cat"
    assert frame["score of dog"][0] == 0.25
    assert isinstance(predictions[1].error, ImageError)
    assert frame["error"][1] == predictions[1].error.message
    assert list(to_dataframe(client.list_models())["model"]) == ["default"]
