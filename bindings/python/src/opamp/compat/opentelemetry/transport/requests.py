# SPDX-License-Identifier: Apache-2.0
"""The transport that uses the package requests."""

from __future__ import annotations

import requests

from opamp.compat.opentelemetry import messages
from opamp.compat.opentelemetry.transport.base import HttpTransport, base_headers
from opamp.compat.opentelemetry.transport.exceptions import OpAMPException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class RequestsTransport(HttpTransport):
    """For what only requests can do: adapters, hooks, netrc, a session that is
    shared. Without a transport the library itself carries the messages."""

    def __init__(self, session: requests.Session | None = None) -> None:
        self.session = requests.Session() if session is None else session

    def send(
        self,
        *,
        url: str,
        headers: Mapping[str, str],
        data: bytes,
        timeout_millis: int,
        tls_certificate: str | bool,
        tls_client_certificate: str | None = None,
        tls_client_key: str | None = None,
    ) -> Any:
        cert: str | tuple[str, str] | None = tls_client_certificate
        if tls_client_certificate and tls_client_key:
            cert = (tls_client_certificate, tls_client_key)
        try:
            response = self.session.post(
                url,
                headers={**base_headers, **headers},
                data=data,
                timeout=timeout_millis / 1000,
                verify=tls_certificate,
                cert=cert,
            )
            response.raise_for_status()
        except Exception as error:
            raise OpAMPException(str(error)) from error
        return messages.decode_message(response.content)
