"""Between messages and plain data, and what is refused on the way."""

import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.classifier.domain.types import Predicted
from lastlayer.classifier.features.ingest import Outcome, sha256
from lastlayer.classifier.service import messages, pagination, requests
from lastlayer.classifier.service.validation import check_id, check_label, check_name
from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.rpc.errors import ImageEmptyError, InvalidFieldError
from lastlayer.v1 import classifier_pb2


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True))
def test_page_tokens_carry_any_name(name: str) -> None:
    assert pagination.read_token(pagination.make_token(name)) == name


@pytest.mark.parametrize("token", ["!", "a", "é", "/w==", pagination.make_token("a\0b"), pagination.make_token("../x")])
def test_a_token_of_others_is_refused(token: str) -> None:
    with pytest.raises(InvalidFieldError, match="not one that this service has given") as caught:
        pagination.read_token(token)
    assert caught.value.field == "page_token"


def test_a_version_token_holds_a_number() -> None:
    assert pagination.read_number_token(pagination.make_token("12")) == 12
    assert pagination.read_number_token("") == 0
    for wrong in ("twelve", "0", "9" * 30):
        with pytest.raises(InvalidFieldError, match="not one that this service has given"):
            pagination.read_number_token(pagination.make_token(wrong))


@pytest.mark.parametrize("name", ["default", "A", "0", "my-model_2.1", "x" * 63])
def test_names(name: str) -> None:
    assert check_name("model", name) == name


@pytest.mark.parametrize("name", ["", "../x", "-x", ".x", "a b", "a/b", "ü", "a\0", "a\n", "x" * 64, "x" * 300])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidFieldError, match="are accepted, the first a letter or digit"):
        check_name("model", name)


@given(st.text())
def test_a_label_is_refused_or_trimmed_text(label: str) -> None:
    try:
        checked = check_label("label", label)
    except InvalidFieldError:
        return
    assert checked == unicodedata.normalize("NFC", label.strip())
    assert 1 <= len(checked) <= 256
    assert checked.isprintable() or any(ord(character) > 127 or character == " " for character in checked)


@pytest.mark.parametrize("label", ["", "  ", "x" * 257, "a\nb", "a\tb", "a\0b", "a\x1bb", "a\u2028b"])
def test_labels_that_are_refused(label: str) -> None:
    with pytest.raises(InvalidFieldError):
        check_label("label", label)


@pytest.mark.parametrize("label", ["food", "süß", "食べ物", "🍕", "شريط", "two words", "a" * 256])
def test_labels_in_any_script(label: str) -> None:
    assert check_label("label", f" {label}\t ") == label


def test_an_id_is_bounded_in_bytes() -> None:
    assert check_id("id", "é" * 512) == "é" * 512
    with pytest.raises(InvalidFieldError, match="At most 1024 bytes"):
        check_id("id", "é" * 513)


def test_an_example_is_offered_with_its_checksum() -> None:
    [offer] = requests.read_offered([classifier_pb2.Example(id="a.jpg", label=" food ", content=b"bytes")])
    assert (offer.name, offer.label, offer.content_sha256, offer.error) == ("a.jpg", "food", sha256(b"bytes"), None)


@pytest.mark.parametrize(
    ("example", "field"),
    [
        (classifier_pb2.Example(label="x"), "examples[4]"),
        (classifier_pb2.Example(content=b"1"), "examples[4].label"),
        (classifier_pb2.Example(label="x", content_sha256=b"short"), "examples[4].content_sha256"),
        (classifier_pb2.Example(id="i" * 1025, label="x", content=b"1"), "examples[4].id"),
    ],
)
def test_a_wrong_example_names_its_field(example: classifier_pb2.Example, field: str) -> None:
    error = requests.read_offered([example] * 5)[4].error
    assert isinstance(error, InvalidFieldError)
    assert error.field == field


def test_an_example_without_bytes_is_an_empty_image() -> None:
    [offer] = requests.read_offered([classifier_pb2.Example(label="x", content=b"")])
    assert isinstance(offer.error, ImageEmptyError)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome(is_new=True, labels=("x",)), "added"),
        (Outcome(labels=("x",)), "present"),
        (Outcome(content_needed=True), "content_needed"),
        (Outcome(labels=("x", "y")), "conflict"),
        (Outcome(error=ImageUndecodableError("broken")), "error"),
    ],
)
def test_outcomes(outcome: Outcome, kind: str) -> None:
    example = classifier_pb2.Example(id="i", label="x ", content=b"1")
    [offer] = requests.read_offered([example])
    message = messages.to_outcome(example, offer, outcome)
    assert (message.id, message.WhichOneof("outcome")) == ("i", kind)
    assert message.label_trimmed == (kind != "error")


def predict(
    probabilities: np.ndarray, classes: tuple[str, ...], top_k: int, threshold: float
) -> classifier_pb2.ImagePrediction:
    predicted = Predicted(probabilities, np.zeros(2, np.float32))
    return messages.to_image_prediction("i", predicted, classes, top_k, threshold)


def test_predictions_are_sorted_and_ties_keep_the_order_of_the_classes() -> None:
    message = predict(np.array([0.2, 0.4, 0.4]), ("a", "b", "c"), 0, 0.0)
    assert [score.label for score in message.prediction.scores] == ["b", "c", "a"]
    assert [score.label for score in predict(np.array([0.6, 0.4]), ("a", "b"), 1, 0.0).prediction.scores] == ["a"]


@pytest.mark.parametrize("size", [-1, 1001])
def test_page_sizes_are_bounded(size: int) -> None:
    with pytest.raises(InvalidFieldError):
        pagination.check_page_size(size)


@pytest.mark.parametrize(("threshold", "rejected"), [(0.0, False), (0.6, False), (0.61, True), (1.0, True)])
def test_a_prediction_below_the_threshold_is_rejected_with_its_best_guess(threshold: float, rejected: bool) -> None:
    message = predict(np.array([0.6, 0.4]), ("a", "b"), 1, threshold)
    assert message.prediction.rejected is rejected
    assert message.prediction.scores[0].label == "a"


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    assert requests.read_threshold(classifier_pb2.PredictRequest()) is None
    assert requests.read_threshold(classifier_pb2.PredictRequest(threshold=0)) == 0
    with pytest.raises(InvalidFieldError, match="from 0"):
        requests.read_threshold(classifier_pb2.PredictRequest(threshold=threshold))


@pytest.mark.parametrize("precision", [-0.1, 1.0, math.nan])
def test_a_precision_is_below_one(precision: float) -> None:
    assert requests.check_min_precision(0.95) == 0.95
    with pytest.raises(InvalidFieldError, match="below 1"):
        requests.check_min_precision(precision)


def test_an_unknown_class_weight_is_refused() -> None:
    with pytest.raises(InvalidFieldError, match="CLASS_WEIGHT_BALANCED"):
        requests.read_class_weight(7)  # type: ignore[arg-type]
