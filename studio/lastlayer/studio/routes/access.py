"""How the services are, and what the caller may do: the page shows what fits."""

import dataclasses

from fastapi import APIRouter

from lastlayer.client.errors import AccessError
from lastlayer.studio.routes.needs import PROBLEMS, Classifier

router = APIRouter(prefix="/v1", tags=["status"], responses=PROBLEMS)


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do."""

    token_needed: bool
    """Whether the classifier asks for a token, and the request has none that is valid."""
    predict: bool
    """Whether the caller may use models and look at them."""
    admin: bool
    """Whether the caller may do everything."""


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """How the classifier and the featurizer are."""

    server: str
    """Where the classifier is."""
    services: dict[str, str]
    """For the server, its service and what needs the featurizer, the state that gRPC's health service tells."""


@router.get("/access")
def get_access(client: Classifier) -> Access:
    """Say what the caller may do, with the token of the request or without one."""
    try:
        next(client.list_datasets(), None)
    except AccessError as error:
        if error.code == "UNAUTHENTICATED":
            return Access(token_needed=True, predict=False, admin=False)
        if error.code != "PERMISSION_DENIED":
            raise
        return Access(token_needed=False, predict=True, admin=False)
    return Access(token_needed=False, predict=True, admin=True)


@router.get("/status")
def get_status(client: Classifier) -> Status:
    """Say how the services are."""
    known = client.status()
    return Status(known.server, dict(known.services))
