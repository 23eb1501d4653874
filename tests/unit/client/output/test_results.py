"""Names and tables for people."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from lastlayer.client.output.results import print_training, seen
from lastlayer.client.results.examples import AddedExamples
from lastlayer.client.results.metrics import ClassMetrics, Metrics
from lastlayer.client.results.versions import ModelVersion
from lastlayer.rpc.observability.escape import escape
from tests.unit.client.samples import version


def test_text_that_controls_or_hides_is_escaped() -> None:
    assert escape("größe 🦆 דג naïve\u200dx") == "größe 🦆 דג naïve\u200dx"
    assert escape("a\x1b[2Jb\nc\u202ed\udcff\u2028") == "a\\x1b[2Jb\\nc\\u202ed\\udcff\\u2028"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_any_text_can_be_shown_in_a_line(text: str) -> None:
    assert escape(text).encode().decode() == escape(text)
    assert len(escape(text).splitlines()) <= 1


def test_views_are_told_where_they_are_not_as_ever() -> None:
    assert [seen(views) for views in (("crop",), ("whole",), ("crop", "whole"))] == [
        "",
        " of the view whole",
        " of the views crop + whole",
    ]
    written = io.StringIO()
    print_training(Console(file=written, width=100_000), version(views=("whole",)), None)
    assert " of the view whole, L1 = " in written.getvalue()


def test_labels_with_markup_are_labels() -> None:
    label = "[bold]cat[/bold]"
    metrics = Metrics(2, 0.5, None, 1.0, 1.0, (ClassMetrics(label, 2, 0.5, 1.0, 1.0),), ((2,),))
    trained: ModelVersion = version(classes=(label,), cross_validation=metrics)
    written = io.StringIO()
    console = Console(file=written, markup=False, highlight=False, emoji=False, width=100_000)
    print_training(console, trained, AddedExamples(2, 0, 0, (), ()))
    assert f"{label}         2    0.5000" in written.getvalue()
    assert "\x1b" not in written.getvalue()
