"""Maps of datasets, read from messages."""

from collections.abc import Sequence
from typing import Final

from lastlayer.client.errors import ServerError
from lastlayer.client.results.curation import ExampleMap, MapPoint
from lastlayer.client.transport.messages.names import MAP_METHODS
from lastlayer.client.transport.messages.reading import HAIR, read
from lastlayer.v1 import classifier_pb2

_METHOD_NAMES: Final = {int(number): name for name, number in MAP_METHODS.items()}


def read_map(messages: Sequence[classifier_pb2.MapPoints]) -> ExampleMap:
    """Return the map whose points came in some messages, at least one.

    Raises `ServerError` where a point has no place on the map.
    """
    last = messages[-1]
    points = tuple(read(MapPoint, point) for message in messages for point in message.points)
    if not all(abs(place) <= 1 + HAIR for point in points for place in (point.x, point.y)):
        raise ServerError("The server sent a point that is not on the map.", code="UNKNOWN")
    # A newer server may know methods that this client does not.
    method = _METHOD_NAMES.get(last.method, f"method {last.method}")
    return read(ExampleMap, last, points=points, method=method)
