"""From an object store and to one, which now and then says 503."""

import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from lastlayer.featurizer.bulk.files import Files
from tests.scale.conftest import check_whole, command
from tests.scale.images import make_images

IMAGES = 600
REFUSE_EVERY = 7
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Refusing:
    """An object store that refuses every seventh request, as one does that is asked too much."""

    def __init__(self, store: Wsgi) -> None:
        self._store = store
        self._counting = threading.Lock()
        self.asked = self.refused = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._counting:
            self.asked += 1
            refuse = self.asked % REFUSE_EVERY == 0
            self.refused += refuse
        if refuse:
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        return self._store(environ, start_response)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Refusing]]:
    for name in KEYS:
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    refusing = Refusing(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, refusing, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", refusing
    server.shutdown()
    thread.join()
    server.server_close()


def test_photos_of_a_bucket_become_shards_in_another(
    tmp_path: Path, environment: dict[str, str], store: tuple[str, Refusing]
) -> None:
    address, refusing = store
    environment |= dict.fromkeys(KEYS, "testing")
    checksums = make_images(tmp_path / "images", IMAGES)
    client = boto3.client("s3", endpoint_url=address)
    for bucket in ("photos", "features"):
        client.create_bucket(Bucket=bucket)
    for name in checksums:
        client.upload_file(str(tmp_path / "images" / name), "photos", f"all/images/{name}")
    before = refusing.refused
    option = f"endpoint_url={address}"
    arguments = command(
        "s3://photos/all", "--to", "s3://features/run", "--shard-images", 100, "--storage-option", option
    )
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert refusing.refused > before + 10
    files = Files({"endpoint_url": address})
    assert len([name for name in files.names("s3://features/run") if name.endswith(".parquet")]) == 6
    fetched = tmp_path / "fetched"
    s3fs.S3FileSystem(endpoint_url=address).get("features/run/", str(fetched), recursive=True)
    check_whole(fetched, checksums)
