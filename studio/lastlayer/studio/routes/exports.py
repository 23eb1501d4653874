"""A version to take away: its report as a page, its head as a file."""

from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from lastlayer.studio.routes.needs import PROBLEMS, Classifier, ResourceName, VersionNumber
from lastlayer.studio.web.problems import RefusedError

router = APIRouter(prefix="/v1/models/{model}/versions/{version}", tags=["exports"], responses=PROBLEMS)


@router.get("/report", response_class=Response)
def get_report(client: Classifier, model: ResourceName, version: VersionNumber) -> Response:
    """Get all that is known of a version as one page that needs no network."""
    try:
        from lastlayer.client.report.gather import gather
        from lastlayer.client.report.page import render
    except ImportError as error:
        raise _not_installed("A report", "report") from error
    gathered = gather(client, model, version, say=lambda _: None)
    page = render(gathered).encode("utf-8", "replace")
    return _file(page, "text/html; charset=utf-8", f"{model}-{gathered.version.version}.html")


@router.get("/head", response_class=Response)
def get_head(
    client: Classifier, model: ResourceName, version: VersionNumber, form: Literal["npz", "onnx"] = "npz"
) -> Response:
    """Get the numbers that predict from feature vectors, for NumPy or for ONNX."""
    try:
        if form == "npz":
            from lastlayer.client.export.npz import to_npz as convert
        else:
            from lastlayer.client.export.onnx import to_onnx as convert
    except ImportError as error:
        raise _not_installed(f"A head as {form}", "export") from error
    head = client.get_head(model, version)
    return _file(convert(head), "application/octet-stream", f"{model}-{head.version}.{form}")


def _file(content: bytes, media_type: str, name: str) -> Response:
    # To be saved, not to be shown: it is no page of the studio.
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": "sandbox"}
    return Response(content, media_type=media_type, headers=headers)


def _not_installed(what: str, extra: str) -> RefusedError:
    return RefusedError(
        501,
        "UNIMPLEMENTED",
        f"{what} needs libraries that are not installed where the studio runs: `pip install 'lastlayer[{extra}]'` does "
        "that.",
    )
