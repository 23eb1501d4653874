"""The HTTP door: each resource, in the forms in which images come, and failures as problems."""

import base64
import hashlib
import io

import numpy as np
import pytest

from lastlayer.classifier.domain.errors import VersionInUseError
from lastlayer.rpc.errors import OverloadedError
from lastlayer.v1 import types_pb2
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.client.fake_classifier.scripted import Broken
from tests.integration.studio.conftest import Answer, Door

MIB = 1024 * 1024


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def check_problem(answer: Answer, status: int, code: str, reason: str = "", field: str = "") -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert (answer.status, problem["status"]) == (status, status)
    assert (problem["code"], problem["reason"], problem["field"]) == (code, reason, field)
    assert problem["detail"].endswith((".", ")"))


def test_a_photo_is_predicted_as_curl_sends_it(studio: Door) -> None:
    answer = studio.form("/v1/models/default:predict", ("image", b"dog-1", "img.jpg"))
    assert answer.status == 200
    assert answer.json == {
        "model": "default",
        "version": 1,
        "results": [
            {
                "image": "img.jpg",
                "label": "dog",
                "score": 0.75,
                "rejected": False,
                "unfamiliar": False,
                "distance": 0.0,
                "scores": [{"label": "dog", "score": 0.75}, {"label": "cat", "score": 0.25}],
                "error": None,
                "multi_label": False,
                "labels": [],
            }
        ],
    }


def test_an_example_gets_either_a_label_or_labels(studio: Door) -> None:
    for given in ({}, {"label": "a", "labels": ["b"]}):
        answer = studio("POST", "/v1/datasets/default/examples:relabel", {"examples": ["0" * 64], **given})
        check_problem(answer, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "label")


def test_images_come_in_three_forms(studio: Door) -> None:
    path = "/v1/models/default:predict?top_k=1&threshold=0.9&version=3"
    encoded = {"images": [{"content": base64.b64encode(b"cat-1").decode(), "id": "a"}, {"content": "ZG9nLTE="}]}
    answers = [
        studio("POST", path, encoded).json,
        studio.form(path, ("image", b"cat-1", "a"), ("image", b"dog-1", "images[1]")).json,
    ]
    assert answers[0] == answers[1]
    assert [(entry["image"], entry["label"], entry["rejected"]) for entry in answers[0]["results"]] == [
        ("a", "cat", True),
        ("images[1]", "dog", True),
    ]
    assert answers[0]["version"] == 3
    assert studio("POST", path, b"cat-1", kind="image/jpeg").json["results"][0]["label"] == "cat"


def test_a_bad_image_fails_alone(studio: Door) -> None:
    answer = studio.form("/v1/models/default:predict", ("image", b"bad", "a.jpg"), ("image", b"cat-1", "b.jpg"))
    bad, good = answer.json["results"]
    assert answer.status == 200
    assert (bad["image"], bad["label"], bad["error"]["reason"]) == ("a.jpg", None, "IMAGE_UNDECODABLE")
    assert good["label"] == "cat"


def test_an_image_is_explained(studio: Door) -> None:
    answer = studio.form("/v1/models/default:explain?label=dog", ("image", b"dog-1", "img.jpg")).json
    assert (answer["label"], answer["probability"], answer["prediction"]["image"]) == ("dog", 0.75, "img.jpg")
    assert answer["contributions"] == [[1.0, 0.5, 0.25], [-0.25, 0.0, 0.0]]
    assert answer["region"] == {"left": 0.25, "top": 0.0, "right": 0.75, "bottom": 1.0}


def test_photos_are_added_and_each_is_answered_for(studio: Door, fake: FakeClassifier) -> None:
    path = "/v1/datasets/pets/examples"
    parts = [("image", content, "x.jpg") for content in (b"cat-1", b"cat-2", b"cat-1", b"bad")]
    answer = studio.form(path, ("label", b"cat"), *parts).json
    assert [entry["status"] for entry in answer] == ["added", "added", "present", "failed"]
    assert [entry["sha256"] for entry in answer] == [sha256(content) for _, content, _ in parts]
    assert answer[3]["error"]["reason"] == "IMAGE_UNDECODABLE"
    [conflict] = studio.form(path, ("label", "Hündin".encode()), ("image", b"cat-1", "y.jpg")).json
    assert (conflict["status"], conflict["conflicting_labels"]) == ("conflict", ["cat", "Hündin"])
    assert fake.messages("AddExamples")[0].dataset == "pets"


def test_examples_are_listed_page_by_page_changed_and_removed(studio: Door, fake: FakeClassifier) -> None:
    contents = [b"cat-1", b"cat-2", b"cat-3"]
    studio.form("/v1/datasets/default/examples", ("label", b"cat"), *(("image", entry, "x.jpg") for entry in contents))
    first = studio("GET", "/v1/datasets/default/examples?label=cat&page_size=2").json
    second = studio("GET", f"/v1/datasets/default/examples?page_token={first['next_page_token']}").json
    assert [entry["sha256"] for page in (first, second) for entry in page["examples"]] == list(map(sha256, contents))
    assert second["next_page_token"] == ""
    assert base64.b64decode(first["examples"][0]["thumbnail"]) == b"jpeg"
    changed = studio(
        "POST", "/v1/datasets/default/examples:relabel", {"examples": [sha256(b"cat-1")], "label": "dog"}
    ).json
    assert (changed["count"], changed["dataset"]["name"]) == (1, "default")
    removed = studio("POST", "/v1/datasets/default/examples:remove", {"examples": [sha256(b"cat-2")]}).json
    assert removed["count"] == 1
    assert list(fake.store.values()) == [["dog"], ["cat"]]


def test_a_class_is_renamed_but_for_its_conflicts(studio: Door, fake: FakeClassifier) -> None:
    fake.store.update({bytes([number]) * 32: ["cat"] for number in range(5)})
    fake.store[bytes([9]) * 32] = ["cat", "dog"]
    answer = studio("POST", "/v1/datasets/default/classes:rename", {"label": "cat", "new_label": "tiger"}).json
    assert answer["count"] == 5
    assert sorted(map(tuple, fake.store.values())) == [("cat", "dog"), *[("tiger",)] * 5]
    again = studio("POST", "/v1/datasets/default/classes:rename", {"label": "lion", "new_label": "tiger"})
    check_problem(again, 404, "NOT_FOUND", "RESOURCE_NOT_FOUND")


def test_models_and_versions(studio: Door) -> None:
    assert [entry["name"] for entry in studio("GET", "/v1/models").json] == ["default"]
    assert studio("GET", "/v1/models/default").json["classes"] == ["cat", "dog"]
    assert [entry["version"] for entry in studio("GET", "/v1/models/default/versions").json] == [5, 4, 3, 2, 1]
    version = studio("GET", "/v1/models/default/versions/2").json
    assert (version["version"], version["cross_validation"]["accuracy"]) == (2, 0.75)
    assert version["cross_validation"]["accuracy_interval"] == [0.5, 0.9]
    assert version["cross_validation"]["confusion_matrix"] == [[0, 1], [2, 3]]
    assert studio("POST", "/v1/models/default:setDefault", {"version": 2}).json["default_version"] == 2
    assert studio("DELETE", "/v1/models/default/versions/1").status == 204
    assert studio("DELETE", "/v1/models/default").status == 204
    assert studio("GET", "/v1/datasets").json[0]["classes"] == {"cat": 3}
    assert studio("GET", "/v1/datasets/default").json["conflict_count"] == 1
    assert studio("DELETE", "/v1/datasets/default").status == 204


def test_review_and_advice(studio: Door, fake: FakeClassifier) -> None:
    fake.store.update({bytes([number]) * 32: ["cat"] for number in range(3)})
    review = studio("GET", "/v1/models/default/versions/0/review?kind=mistakes&limit=2").json
    assert (len(review["examples"]), review["total_count"]) == (2, 3)
    assert review["examples"][0]["suggested_label"] == "sea dog"
    advice = studio("GET", "/v1/models/default/versions/0/advice").json
    assert [(entry["kind"], entry["count"]) for entry in advice][:2] == [("suspicious", 3), ("conflicts", 1)]


def test_a_version_is_taken_away(studio: Door) -> None:
    report = studio("GET", "/v1/models/default/versions/0/report")
    assert report.headers["content-disposition"] == 'attachment; filename="default-1.html"'
    assert report.headers["content-security-policy"] == "sandbox"
    assert b"<h1" in report.content
    arrays = np.load(io.BytesIO(studio("GET", "/v1/models/default/versions/0/head").content), allow_pickle=False)
    assert arrays["weights"].shape == (3, 2)
    assert len(studio("GET", "/v1/models/default/versions/0/head?form=onnx").content) > 100


def test_the_services_are_told_of(studio: Door) -> None:
    assert studio("GET", "/v1/access").json == {"token_needed": False, "predict": True, "admin": True}
    assert "SERVING" in studio("GET", "/v1/status").json["services"].values()
    assert studio("GET", "/healthz").content == b"ok\n"


def test_failures_have_the_codes_and_reasons_of_the_statuses(studio: Door, fake: FakeClassifier) -> None:
    missing = studio.form("/v1/models/lion:explain", ("image", b"cat-1", "x"))
    check_problem(missing, 404, "NOT_FOUND", "RESOURCE_NOT_FOUND")
    assert missing.json["metadata"] == {"resource": "model", "name": "lion"}
    check_problem(
        studio.form("/v1/models/default:explain?label=lion", ("image", b"cat-1", "x")),
        *(400, "INVALID_ARGUMENT", "INVALID_FIELD", "label"),
    )
    bad = studio.form("/v1/models/default:explain", ("image", b"bad", "x"))
    check_problem(bad, 400, "INVALID_ARGUMENT", "IMAGE_UNDECODABLE")
    fake.script["DeleteModelVersion"] = [VersionInUseError("Version 1 is the default one.")]
    in_use = studio("DELETE", "/v1/models/default/versions/1")
    check_problem(in_use, 400, "FAILED_PRECONDITION", "VERSION_IN_USE")
    fake.script["RemoveExamples"] = [Broken()]
    broken = studio("POST", "/v1/datasets/default/examples:remove", {"examples": ["00" * 32]})
    check_problem(broken, 503, "UNAVAILABLE")


def test_who_must_wait_is_told_for_how_long(studio: Door, fake: FakeClassifier) -> None:
    fake.script["RemoveExamples"] = [OverloadedError("No room.", retry_after_s=7.0)]
    answer = studio("POST", "/v1/datasets/default/examples:remove", {"examples": ["00" * 32]})
    check_problem(answer, 429, "RESOURCE_EXHAUSTED", "OVERLOADED")
    assert (answer.headers["retry-after"], answer.json["retry_after_s"]) == ("7", 7.0)


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "field"),
    [
        ("/v1/models/default:predict", b"{", "application/json", 400, "body"),
        ("/v1/models/default:predict", b'{"images": []}', "application/json", 400, "images"),
        ("/v1/models/default:predict", b'{"images": [{"content": "?"}]}', "application/json", 400, "images.content"),
        ("/v1/models/default:predict", b"cat", "text/plain", 415, "Content-Type"),
        ("/v1/models/default:predict?top_k=-1", b"cat", "image/jpeg", 400, "top_k"),
        ("/v1/models/default:predict?version=x", b"cat", "image/jpeg", 400, "version"),
        ("/v1/models/-x:predict", b"cat", "image/jpeg", 400, "model"),
        ("/v1/models/default:setDefault", b'{"version": 0}', "application/json", 400, "version"),
        ("/v1/models/default:train", b'{"recipe": "magic"}', "application/json", 400, "recipe"),
        ("/v1/datasets/default/examples:remove", b'{"examples": ["00"]}', "application/json", 400, "examples.0"),
        ("/v1/datasets/default/examples", b"{}", "application/json", 415, "Content-Type"),
    ],
)
def test_bad_requests_name_what_is_wrong(
    studio: Door, fake: FakeClassifier, path: str, body: bytes, kind: str, status: int, field: str
) -> None:
    answer = studio("POST", path, body, kind=kind)
    check_problem(answer, status, "INVALID_ARGUMENT", answer.json["reason"], field)
    assert not fake.calls


def test_forms_without_what_is_needed_are_refused(studio: Door, fake: FakeClassifier) -> None:
    path = "/v1/datasets/default/examples"
    no_label = studio.form(path, ("image", b"cat", "x"))
    check_problem(no_label, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "label")
    no_image = studio.form(path, ("label", b"cat"), ("image", b"a text"))
    check_problem(no_image, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "image")
    many = studio.form("/v1/models/default:predict", *[("image", b"cat", "x")] * 65)
    check_problem(many, 400, "INVALID_ARGUMENT")
    assert not fake.calls


def test_what_is_not_there_is_a_problem_too(studio: Door) -> None:
    check_problem(studio("GET", "/v1/nothing"), 404, "NOT_FOUND")
    check_problem(studio("PUT", "/v1/models"), 405, "UNIMPLEMENTED")
    check_problem(studio("GET", "/page/../app.py"), 404, "NOT_FOUND")
    check_problem(studio("GET", "/page/%2e%2e/app.py"), 404, "NOT_FOUND")


def test_the_contract_is_told_as_openapi(studio: Door) -> None:
    contract = studio("GET", "/v1/openapi.json").json
    assert set(contract["paths"]) >= {
        "/v1/models/{model}:predict",
        "/v1/models/{model}:train",
        "/v1/datasets/{dataset}/examples",
    }
    predict = contract["paths"]["/v1/models/{model}:predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {"multipart/form-data", "application/json", "image/*"}
    assert all(operation["description"] for path in contract["paths"].values() for operation in path.values())


def test_every_reason_of_the_contract_has_a_status() -> None:
    from lastlayer.rpc.status import CODES
    from lastlayer.studio.web.problems import HTTP_STATUSES

    reasons = {name.removeprefix("ERROR_REASON_") for name in types_pb2.ErrorReason.DESCRIPTOR.values_by_name} - {
        "UNSPECIFIED"
    }
    assert reasons == set(CODES)
    assert {code.name for code in CODES.values()} <= set(HTTP_STATUSES)
