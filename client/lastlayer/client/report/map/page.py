"""Renders a map as a page of its own, which needs nothing else: no network, no fonts."""

import base64
import hashlib
import json
import shlex
from importlib.resources import files
from typing import Any, Final

from markupsafe import Markup

from lastlayer.client.report.html import make_environment
from lastlayer.client.report.map.classes import MapClass, describe, find_classes
from lastlayer.client.report.map.gather import PicturedMap, by_worth, is_conflict
from lastlayer.client.results.curation import MapPoint
from lastlayer.rpc.observability.escape import escape

PHOTO_BYTES: Final = 12_000_000
"""The most bytes of photos on a page, which text makes a third more: 16 MB, of which browsers make nothing."""

_LISTED: Final = 60
"""How many points that are worth a look are listed below the map."""

_SUSPICIOUS, _CONFLICT, _POOL = 1, 2, 4
"""What a point is, for the script; a sum."""


def render_map(pictured: PicturedMap) -> str:
    """Return the page."""
    environment = make_environment()
    environment.globals.update(describe=describe, relabel=_relabel_command)
    points = pictured.map.points
    classes = find_classes(points)
    script = files("lastlayer.client.report.map").joinpath("map.js").read_text("utf-8")
    worth = [point for point in by_worth(points) if point.suspicious or is_conflict(point)]
    return environment.get_template("map/map.html.j2").render(
        pictured=pictured,
        map=pictured.map,
        classes=classes,
        suspicious=sum(point.suspicious for point in points),
        conflicts=sum(map(is_conflict, points)),
        waiting=sum(not point.labels for point in points),
        worth=worth[:_LISTED],
        worth_count=len(worth),
        # The page's own, and nothing that comes from a server: that is in `data`, which is no script.
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        data=Markup(_to_json(_data(pictured, classes))),  # noqa: S704 - as `_to_json` says
    )


def _data(pictured: PicturedMap, classes: list[MapClass]) -> dict[str, Any]:
    """Return what the script draws."""
    number = {entry.label: index for index, entry in enumerate(classes)}
    return {
        "classes": [[escape(entry.label), entry.colour] for entry in classes],
        "points": [
            [
                round(point.x, 4),
                round(point.y, 4),
                number[point.labels[0]] if point.labels else -1,
                _kind(point),
                escape(point.id),
                point.sha256.hex()[:12],
                escape(describe(point)),
            ]
            for point in pictured.map.points
        ],
        "photos": {
            index: base64.b64encode(pictured.photos[point.sha256]).decode("ascii")
            for index, point in enumerate(pictured.map.points)
            if point.sha256 in pictured.photos
        },
    }


def _kind(point: MapPoint) -> int:
    return _SUSPICIOUS * point.suspicious + _CONFLICT * is_conflict(point) + _POOL * (not point.labels)


def _to_json(data: dict[str, Any]) -> str:
    """Return JSON that can stand in an element of HTML: what would end it is escaped."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _relabel_command(point: MapPoint, dataset: str) -> str:
    """Return what to type, in a shell of POSIX, for an image to get its suggested label."""
    known_by = point.sha256.hex()[:16]
    return escape(shlex.join(["client", "relabel", known_by, "--to", point.suggested_label, "--dataset", dataset]))
