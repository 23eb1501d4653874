"""What a service's settings say of who may call it, ready for its server."""

import logging
from dataclasses import dataclass
from typing import Final

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from lastlayer.rpc.credentials.tls import CertificateFiles, server_credentials
from lastlayer.rpc.credentials.tokens import TokenFile
from lastlayer.rpc.server.auth_interceptor import AuthorizationInterceptor
from lastlayer.rpc.server.open_inference.descriptors import METHODS, PROBES
from lastlayer.rpc.settings import ServiceSettings

_log = logging.getLogger(__name__)

_STANDARD: Final = {"health": health.SERVICE_NAME, "reflection": reflection.SERVICE_NAME}


@dataclass(frozen=True)
class ServerSecurity:
    """Who may call a server."""

    credentials: grpc.ServerCredentials | None = None
    """Its side of TLS; None for none."""
    authorization: AuthorizationInterceptor | None = None
    """What checks tokens; None where no tokens are needed."""


def server_security(settings: ServiceSettings, predict_methods: frozenset[str]) -> ServerSecurity:
    """Return what the settings ask for; raises CredentialsError where a file that they name cannot be used.

    `predict_methods` are the paths of the methods that a token of the scope `predict` suffices for, beside those of the
    Open Inference Protocol.
    """
    credentials = None
    if settings.tls_cert is not None:
        credentials = server_credentials(CertificateFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca))
    authorization = None
    if settings.tokens_file is not None:
        authorization = AuthorizationInterceptor(
            TokenFile(settings.tokens_file),
            predict_methods=predict_methods | METHODS,
            open_services=frozenset(_STANDARD[name] for name in settings.open_service_names),
            open_methods=PROBES if "health" in settings.open_service_names else frozenset(),
        )
        if credentials is None:
            _log.warning("tokens are asked for without TLS: whoever sees the traffic can use them")
    return ServerSecurity(credentials, authorization)
