"""Trainings: one request each, answered by server-sent events; whoever goes away cancels theirs."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from lastlayer.studio.routes.needs import PROBLEMS, Classifier, ResourceName
from lastlayer.studio.web.events import OnProgress, stream_events

router = APIRouter(prefix="/v1/models", tags=["training"], responses=PROBLEMS)

AT_ONCE: Final = 16
"""How many trainings the studio follows at once; each takes a thread here. The classifier bounds those that run."""


class Training(BaseModel):
    """How to train."""

    dataset: Annotated[str, Field(max_length=63, description="the model's name where empty")] = ""
    recipe: Literal["auto", "tutorial"] = "auto"
    class_weight: Literal["none", "balanced"] = "none"
    min_precision: Annotated[float, Field(ge=0, lt=1, description="0 rejects no prediction")] = 0.0
    prefer: Literal["quality", "speed"] = "quality"


@router.post("/{model}:train", response_class=StreamingResponse)
async def train(request: Request, client: Classifier, model: ResourceName, training: Training) -> StreamingResponse:
    """Train a version of a model and make it the default: server-sent events.

    `progress` (`message`, and `fraction` from 0 to 1) comes at least every two seconds; the last event is `version`, or
    `problem` where it fails. Closing the connection cancels the training and leaves no version.
    """

    def run(on_progress: OnProgress) -> list[tuple[str, Any]]:
        version = client.train(model, on_progress=on_progress, **training.model_dump())
        return [("version", jsonable_encoder(version))]

    return await stream_events(run, places=request.app.state.trainings, what="trainings")
