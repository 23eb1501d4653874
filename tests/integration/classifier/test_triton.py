"""An unmodified tritonclient calls the classifier: in its own environment, over gRPC, as its users do."""

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lastlayer.classifier.server import running
from lastlayer.classifier.service.config import ClassifierSettings
from tests import triton
from tests.integration.classifier.calls import channel, train_anew
from tests.integration.classifier.test_open_inference import Both
from tests.programs import run

pytestmark = pytest.mark.skipif(not triton.PYTHON.exists(), reason=triton.NO_TRITON)

ROOT = Path(__file__).resolve().parents[3]


def test_names_and_numbers_are_tritons_and_one_process_can_have_both() -> None:
    found = triton.call("contract", protos=str(ROOT / "protos"))
    assert found["count"] > 100
    # Of the protocol's newer fields, that client has not all.
    assert set(found["differences"]) <= {
        "inference.InferParameter.double_param",
        "inference.InferParameter.uint64_param",
    }


async def test_all_that_its_users_do(settings: ClassifierSettings) -> None:
    async with running(settings) as address, channel(address) as connection:
        both = Both(connection)
        await train_anew(both.own)
        await both.until_ready()
        told: dict[str, Any] = {"address": address, "model": "m", "images": ["dog-1", "cat-1"]}
        told |= {"bad": "bad-1", "silent": "silent-1"}
        found = await asyncio.to_thread(triton.call, "grpc", **told)

    described = found["describe"]
    assert (described["live"], described["ready"]) == (True, True)
    assert described["model ready"] == [True, True, False]
    assert described["server"]["name"] == "lastlayer-classifier"
    assert described["metadata"]["versions"] == ["1"]
    assert [output["name"] for output in described["metadata"]["outputs"]] == [
        "label",
        "probability",
        "logits",
        "rejected",
    ]
    assert described["config"]["config"]["max_batch_size"] == 256
    assert described["index"]["models"] == [{"name": "m", "version": "1", "state": "READY"}]

    inferred = found["infer"]
    assert inferred["id"] == "mine"
    assert inferred["outputs"]["label"] == [["dog", "cat"], ["cat", "dog"]]
    assert [sum(row) for row in inferred["outputs"]["probability"]] == pytest.approx([1, 1])
    assert inferred["one"] == {"label": [["dog", "cat"], ["cat", "dog"]]}
    assert inferred["compressed"] == inferred["outputs"]
    labels = sorted(answer["label"][0][0] for answer in found["asynchronous"])
    assert labels == ["cat", "cat", "dog", "dog"]

    first, failed, last = found["stream"]
    assert (first[0], first[1]["label"]) == ("0", [["dog", "cat"]])
    assert failed.startswith("The image at index 0 fails: ")
    assert (last[0], last[1]["label"]) == ("2", [["cat", "dog"]])

    errors = found["errors"]
    for name, code, text in (
        ("bad image", "INVALID_ARGUMENT", "The image at index 1 fails: "),
        ("model", "NOT_FOUND", "There is no model `unheard-of`."),
        ("version", "NOT_FOUND", "There is no version `m:77`."),
        ("datatype", "INVALID_ARGUMENT", "`FP32`; BYTES is accepted"),
        ("shape", "INVALID_ARGUMENT", "[1, 1]; [n] is accepted"),
        ("output", "INVALID_ARGUMENT", "There is no output `unheard-of`"),
        ("class count", "INVALID_ARGUMENT", "Labels are an output of their own"),
        ("timeout", "INVALID_ARGUMENT", "`client_timeout`"),
        ("late", "DEADLINE_EXCEEDED", ""),
        ("load", "UNIMPLEMENTED", ""),
        ("metadata", "NOT_FOUND", "There is no model `unheard-of`."),
    ):
        assert errors[name][0] == f"StatusCode.{code}", name
        assert text in errors[name][1]

    [counted] = found["statistics"]["model_stats"]
    assert int(counted["inference_count"]) > 6
    assert int(counted["inference_stats"]["fail"]["count"]) >= 2


@pytest.mark.long
def test_services_run_in_the_process_of_a_tritonclient(tmp_path: Path) -> None:
    """As in tests of programs that call a Triton server."""
    for label, colour in (("red", (200, 20, 20)), ("blue", (20, 20, 200))):
        (tmp_path / label).mkdir()
        for number in range(6):
            shade = tuple(max(0, channel - 5 * number) for channel in colour)
            Image.new("RGB", (64, 64), shade).save(tmp_path / label / f"{number}.png")
    [packages] = (triton.PYTHON.parents[1] / "lib").glob("python*/site-packages")
    found = triton.call(
        "together",
        sys.executable,
        packages=str(packages),
        photos=str(tmp_path),
        image=str(tmp_path / "red" / "0.png"),
    )
    classifier, featurizer = found.values()
    assert classifier["label"] == [["red", "blue"]]
    assert {len(np.shape(vector)) for vector in featurizer.values()} == {2}


@pytest.mark.long
async def test_tls_and_tokens_as_headers(settings: ClassifierSettings, tmp_path: Path) -> None:
    run([str(ROOT / "deploy" / "make-dev-ca.sh"), str(tmp_path / "tls")])
    tokens = tmp_path / "tokens.toml"
    digest = hashlib.sha256(b"reader").hexdigest()
    tokens.write_text(f'[[tokens]]\nname = "reader"\nsha256 = "{digest}"\nscopes = ["predict"]\n')
    secured = settings.model_copy(
        update={
            "address": "localhost:0",
            "tls_cert": tmp_path / "tls" / "classifier.pem",
            "tls_key": tmp_path / "tls" / "classifier.key",
            "tokens_file": tokens,
        }
    )
    async with running(secured) as address:
        told = {"address": address, "ca": str(tmp_path / "tls" / "ca.pem"), "token": "reader"}
        found = await asyncio.to_thread(triton.call, "secured", **told)
    assert found["live"] is True
    assert [code for code, _ in found["index"]] == ["StatusCode.UNAUTHENTICATED", "StatusCode.UNAUTHENTICATED", "OK"]
