"""The pool over HTTP: added to, suggested from, labelled by several people at once, and gone back to."""

import base64
import threading

import pytest

from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.studio.conftest import Door
from tests.integration.studio.test_door import check_problem, sha256

DATASET = "/v1/datasets/default"


@pytest.fixture(autouse=True)
def _stored(fake: FakeClassifier) -> None:
    """Two classes of one example, and a pool of three images."""
    fake.store.update({bytes.fromhex(sha256(content)): [content.decode()[:3]] for content in (b"cat-1", b"dog-1")})
    fake.pool.update({bytes.fromhex(sha256(content)): "dog" for content in (b"dog-2", b"dog-3", b"dog-4")})


def test_photos_are_added_without_a_label_and_each_is_answered_for(studio: Door, fake: FakeClassifier) -> None:
    parts = [("image", content, f"{content.decode()}.jpg") for content in (b"cat-9", b"dog-2", b"cat-1", b"bad")]
    answer = studio.form(f"{DATASET}/pool", *parts).json
    assert [(entry["status"], entry["label"]) for entry in answer] == [
        ("added", ""),
        ("present", ""),
        ("present", "cat"),
        ("failed", ""),
    ]
    assert [entry["sha256"] for entry in answer] == [sha256(content) for _, content, _ in parts]
    assert all(message.pool for message in fake.messages("AddExamples")[:1])
    check_problem(studio.form(f"{DATASET}/pool", ("label", b"x")), 400, "INVALID_ARGUMENT", "INVALID_FIELD", "image")
    no_form = studio("POST", f"{DATASET}/pool", b"x", kind="image/jpeg")
    check_problem(no_form, 415, "INVALID_ARGUMENT", field="Content-Type")


def test_the_next_ones_come_with_guesses(studio: Door, fake: FakeClassifier) -> None:
    fake.stale.add(bytes.fromhex(sha256(b"dog-3")))
    answer = studio("GET", f"{DATASET}/pool:next?count=1").json
    [entry] = answer.pop("examples")
    assert answer == {"strategy": "uncertain", "pool_count": 3, "stale_count": 1, "classes": ["cat", "dog"]}
    assert entry["scores"] == [{"label": "dog", "score": 0.625}, {"label": "cat", "score": 0.375}]
    assert (entry["example"]["labels"], entry["example"]["source"]) == ([], "added")
    assert base64.b64decode(entry["example"]["thumbnail"]) == b"jpeg"
    many = studio("GET", f"{DATASET}/pool:next?count=201")
    check_problem(many, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "count")
    check_problem(studio("GET", "/v1/datasets/lion/pool:next"), 404, "NOT_FOUND", "RESOURCE_NOT_FOUND")


def test_the_pool_is_listed_and_some_are_got_wherever_they_are(studio: Door) -> None:
    listed = studio("GET", f"{DATASET}/examples?pool=true&page_size=3").json["examples"]
    assert [entry["sha256"] for entry in listed] == [sha256(b"dog-2"), sha256(b"dog-3")]
    wanted = {"examples": [sha256(b"dog-4"), "00" * 32, sha256(b"cat-1")]}
    found = studio("POST", f"{DATASET}/examples:batchGet", wanted).json
    assert [(entry["sha256"], entry["labels"]) for entry in found] == [
        (sha256(b"cat-1"), ["cat"]),
        (sha256(b"dog-4"), []),
    ]
    without = studio("POST", f"{DATASET}/examples:batchGet", wanted | {"thumbnails": False}).json
    assert {entry["thumbnail"] for entry in without} == {""}


def test_who_is_second_is_told_and_changes_nothing(studio: Door, fake: FakeClassifier) -> None:
    both = {"examples": [sha256(b"dog-2"), sha256(b"cat-1")], "label": "lynx"}
    answer = studio("POST", f"{DATASET}/pool:label", both).json
    assert (answer["count"], answer["dataset"]["name"]) == (1, "default")
    assert [(entry["sha256"], entry["labels"]) for entry in answer["taken"]] == [(sha256(b"cat-1"), ["cat"])]
    again = studio("POST", f"{DATASET}/pool:label", both).json
    assert (again["count"], len(again["taken"])) == (0, 2)
    assert sorted(map(tuple, fake.store.values())) == [("cat",), ("dog",), ("lynx",)]
    missing = studio("POST", f"{DATASET}/pool:label", {"examples": ["00" * 32], "label": "lynx"})
    check_problem(missing, 404, "NOT_FOUND", "RESOURCE_NOT_FOUND")
    empty = studio("POST", f"{DATASET}/pool:label", {"examples": ["00" * 32], "label": ""})
    check_problem(empty, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "label")


def test_of_many_at_once_one_is_first(studio: Door, fake: FakeClassifier) -> None:
    answers = []

    def label(name: str) -> None:
        answers.append((name, studio("POST", f"{DATASET}/pool:label", {"examples": [sha256(b"dog-2")], "label": name})))

    threads = [threading.Thread(target=label, args=(f"class {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [first] = [name for name, answer in answers if answer.json["count"] == 1]
    assert fake.store[bytes.fromhex(sha256(b"dog-2"))] == [first]
    assert fake.count("RelabelExamples") == 1


def test_a_label_is_taken_back_but_not_another_one(studio: Door, fake: FakeClassifier) -> None:
    two = [sha256(b"cat-1"), sha256(b"dog-1")]
    answer = studio("POST", f"{DATASET}/pool:unlabel", {"examples": two, "label": "cat"}).json
    assert answer["count"] == 1
    assert list(fake.store.values()) == [["dog"]]
    assert bytes.fromhex(sha256(b"cat-1")) in fake.pool
    assert studio("POST", f"{DATASET}/pool:unlabel", {"examples": two, "label": "cat"}).json["count"] == 0
    assert studio("POST", f"{DATASET}/pool:unlabel", {"examples": two}).json["count"] == 1
    assert not fake.store
