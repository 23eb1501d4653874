"""A program that calls services by an unmodified tritonclient, in whose environment it runs: `triton.py KIND JSON`.

It prints what the calls came to, as JSON. It imports of the project only where both are to be in one process.
"""

import asyncio
import functools
import json
import queue
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv-triton" / "bin" / "python"
NO_TRITON = "NOT RUN: tritonclient is called from .venv-triton, which `make test` makes"


def call(kind: str, python: str | Path = PYTHON, **told: Any) -> dict[str, Any]:
    """Run this program, on the side of the tests: `told` is what it is to know."""
    done = subprocess.run(
        [python, "-W", "error", __file__, kind, json.dumps(told)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _failure(calling: Callable[[], Any], error: type[Exception]) -> list[str]:
    """Return the status and the message of how a call fails."""
    try:
        calling()
    except error as failed:
        return [str(failed.status()), str(failed.message())]  # type: ignore[attr-defined]
    return ["OK", ""]


class Grpc:
    """What is called by gRPC."""

    def __init__(self, address: str, model: str, images: list[str], bad: str = "", silent: str = "") -> None:
        import tritonclient.grpc as module

        self.module = module
        self.client = module.InferenceServerClient(address)
        self.model = model
        self.images = [image.encode("latin-1") for image in images]
        self.bad, self.silent = bad.encode("latin-1"), silent.encode("latin-1")
        self.address = address

    def image(self, *contents: bytes) -> Any:
        import numpy as np

        known = self.module.InferInput("image", [len(contents)], "BYTES")
        known.set_data_from_numpy(np.array(contents, np.object_))
        return known

    def read(self, result: Any) -> dict[str, Any]:
        """Return the outputs of a result, with labels as text."""
        found = {}
        for output in result.get_response().outputs:
            values = result.as_numpy(output.name)
            if values.dtype.kind == "O":
                values = [[label.decode() for label in row] for row in values]
            found[output.name] = values if isinstance(values, list) else values.tolist()
        return found

    def describe(self) -> dict[str, Any]:
        client, model = self.client, self.model
        return {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model ready": [
                client.is_model_ready(model),
                client.is_model_ready(model, "1"),
                client.is_model_ready("?"),
            ],
            "server": client.get_server_metadata(as_json=True),
            "metadata": client.get_model_metadata(model, as_json=True),
            "config": client.get_model_config(model, "1", as_json=True),
            "index": client.get_model_repository_index(as_json=True),
        }

    def infer(self) -> dict[str, Any]:
        asked = {"model_name": self.model, "inputs": [self.image(*self.images)]}
        whole = self.client.infer(**asked, request_id="mine", client_timeout=60)
        outputs = [self.module.InferRequestedOutput(whole.get_response().outputs[0].name)]
        return {
            "id": whole.get_response().id,
            "outputs": self.read(whole),
            "one": self.read(self.client.infer(**asked, model_version="1", outputs=outputs)),
            "compressed": self.read(self.client.infer(**asked, compression_algorithm="gzip")),
        }

    def asynchronous(self) -> list[Any]:
        """Return the outputs of several calls at once, with callbacks and with asyncio."""
        answers: queue.Queue[Any] = queue.Queue()
        for image in self.images:
            self.client.async_infer(
                self.model, [self.image(image)], callback=lambda result, error: answers.put((result, error))
            )
        found = []
        for _ in self.images:
            result, error = answers.get(timeout=60)
            assert error is None, error
            found.append(self.read(result))

        async def with_asyncio() -> list[Any]:
            import tritonclient.grpc.aio as module

            async with module.InferenceServerClient(self.address) as client:
                results = await asyncio.gather(
                    *(client.infer(self.model, [self.image(image)]) for image in self.images)
                )
            return [self.read(result) for result in results]

        return [*found, *asyncio.run(with_asyncio())]

    def stream(self) -> list[Any]:
        """Return the ids and what became of requests of a stream, of which the second fails."""
        answers: queue.Queue[Any] = queue.Queue()
        self.client.start_stream(callback=lambda result, error: answers.put((result, error)))
        contents = [self.images[0], self.bad, *self.images[1:]]
        for number, content in enumerate(contents):
            self.client.async_stream_infer(
                self.model,
                [self.image(content)],
                request_id=str(number),
                enable_empty_final_response=number == 0,
            )
        found = []
        for _ in contents:
            result, error = answers.get(timeout=60)
            found.append(error.message() if error else [result.get_response().id, self.read(result)])
        self.client.stop_stream()
        return found

    def errors(self) -> dict[str, list[str]]:
        error = self.module.InferenceServerException
        wrong_type = self.module.InferInput("image", [1], "FP32")
        import numpy as np

        wrong_type.set_data_from_numpy(np.zeros(1, np.float32))
        square = self.module.InferInput("image", [1, 1], "BYTES")
        square.set_data_from_numpy(np.array([[self.images[0]]], np.object_))
        good = [self.image(self.images[0])]
        cases: dict[str, Callable[[], Any]] = {
            "bad image": lambda: self.client.infer(self.model, [self.image(self.images[0], self.bad)]),
            "model": lambda: self.client.infer("unheard-of", good),
            "version": lambda: self.client.infer(self.model, good, model_version="77"),
            "datatype": lambda: self.client.infer(self.model, [wrong_type]),
            "shape": lambda: self.client.infer(self.model, [square]),
            "output": lambda: self.client.infer(
                self.model, good, outputs=[self.module.InferRequestedOutput("unheard-of")]
            ),
            "class count": lambda: self.client.infer(
                self.model, good, outputs=[self.module.InferRequestedOutput("label", class_count=2)]
            ),
            "timeout": lambda: self.client.infer(self.model, good, timeout=1000),
            "late": lambda: self.client.infer(self.model, [self.image(self.silent)], client_timeout=0.2),
            "load": lambda: self.client.load_model(self.model),
            "metadata": lambda: self.client.get_model_metadata("unheard-of"),
        }
        return {name: _failure(calling, error) for name, calling in cases.items()}

    def statistics(self) -> Any:
        return self.client.get_inference_statistics(self.model, as_json=True)


def _grpc(told: dict[str, Any]) -> dict[str, Any]:
    calls = Grpc(**told)
    names = ("describe", "infer", "asynchronous", "stream", "errors", "statistics")
    return {name: getattr(calls, name)() for name in names}


def _secured(told: dict[str, Any]) -> dict[str, Any]:
    """What a call comes to over TLS, without a token, with a wrong one and with the right one."""
    import tritonclient.grpc as module

    client = module.InferenceServerClient(told["address"], ssl=True, root_certificates=told["ca"])
    error = module.InferenceServerException
    headers = [None, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {told['token']}"}]
    return {
        "live": client.is_server_live(),
        "index": [
            _failure(functools.partial(client.get_model_repository_index, headers=known), error) for known in headers
        ],
    }


def _http(told: dict[str, Any]) -> dict[str, Any]:
    import numpy as np
    import tritonclient.http as module

    client = module.InferenceServerClient(told["address"])
    model = told["model"]

    def image(binary: bool, *contents: str) -> Any:
        known = module.InferInput("image", [len(contents)], "BYTES")
        known.set_data_from_numpy(np.array([each.encode("latin-1") for each in contents], np.object_), binary)
        return known

    result = client.infer(model, [image(True, *told["images"])])
    chosen = client.infer(
        model,
        [image(True, *told["images"])],
        outputs=[module.InferRequestedOutput("rejected"), module.InferRequestedOutput("label", binary_data=False)],
    )
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": client.is_model_ready(model),
        "server": client.get_server_metadata(),
        "metadata": client.get_model_metadata(model),
        "config": client.get_model_config(model),
        "index": client.get_model_repository_index(),
        "label": [[label.decode() for label in row] for row in result.as_numpy("label")],
        "probability": result.as_numpy("probability").tolist(),
        "rejected": chosen.as_numpy("rejected").tolist(),
        "same label": [[str(label) for label in row] for row in chosen.as_numpy("label")],
        "async": client.async_infer(model, [image(True, *told["images"])]).get_result().get_response()["model_version"],
        "bad image": _failure(lambda: client.infer(model, [image(True, told["bad"])]), module.InferenceServerException),
        "model": _failure(
            lambda: client.infer("unheard-of", [image(True, *told["images"])]), module.InferenceServerException
        ),
    }


def _contract(told: dict[str, Any]) -> dict[str, Any]:
    """Import our stubs beside tritonclient's; return how many names ours have, and those that theirs have otherwise."""
    sys.path.insert(0, told["protos"])
    import tritonclient.grpc.model_config_pb2 as config
    import tritonclient.grpc.service_pb2 as theirs

    from lastlayer.open_inference import service_pb2 as ours

    pool = theirs.DESCRIPTOR.pool
    assert pool is config.DESCRIPTOR.pool
    differences, count = [], 0

    def compare(message: Any) -> None:
        nonlocal count
        known = pool.FindMessageTypeByName(message.full_name)
        for field in message.fields:
            count += 1
            other = known.fields_by_name.get(field.name)
            if other is None or (other.number, other.type, other.is_repeated) != (
                field.number,
                field.type,
                field.is_repeated,
            ):
                differences.append(field.full_name)
        for nested in message.nested_types:
            compare(nested)

    for message in ours.DESCRIPTOR.message_types_by_name.values():
        compare(message)
    for enum in ours.DESCRIPTOR.enum_types_by_name.values():
        known = pool.FindEnumTypeByName(enum.full_name)
        for value in enum.values:
            count += 1
            if known.values_by_name[value.name].number != value.number:
                differences.append(value.name)
    service = ours.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    other = pool.FindServiceByName(service.full_name)
    for method in service.methods:
        count += 1
        same = other.methods_by_name[method.name]
        if (same.input_type.full_name, same.output_type.full_name, same.client_streaming, same.server_streaming) != (
            method.input_type.full_name,
            method.output_type.full_name,
            method.client_streaming,
            method.server_streaming,
        ):
            differences.append(method.full_name)
    request = theirs.ModelInferRequest(model_name="m", raw_input_contents=[b"a"])
    assert ours.ModelInferRequest.FromString(request.SerializeToString()).model_name == "m"
    return {"count": count, "differences": differences}


def _together(told: dict[str, Any]) -> dict[str, Any]:
    """Run the services in this process, and call them by tritonclient; this is the tests' environment."""
    sys.path.append(told["packages"])
    import tritonclient.grpc  # noqa: F401 - the first to name its messages

    import lastlayer.testing

    with lastlayer.testing.services() as pair, pair.client() as client:
        client.add_examples(told["photos"], dataset="pets")
        client.train("pets")
        content = Path(told["image"]).read_bytes().decode("latin-1")
        models = (pair.classifier, "pets"), (pair.featurizer, client.get_served_backbone().name)
        return {model: Grpc(address, model, [content]).infer()["outputs"] for address, model in models}


KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "grpc": _grpc,
    "secured": _secured,
    "http": _http,
    "contract": _contract,
    "together": _together,
}

if __name__ == "__main__":
    print(json.dumps(KINDS[sys.argv[1]](json.loads(sys.argv[2]))))
