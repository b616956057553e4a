# SPDX-License-Identifier: Apache-2.0
"""What a transport has to do."""

from __future__ import annotations

import abc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

base_headers = {"Content-Type": "application/x-protobuf"}


class HttpTransport(abc.ABC):
    """Carries a request to the server and brings its answer back."""

    @abc.abstractmethod
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
        """Posts `data`; the answer, an opamp_pb2.ServerToAgent. Whatever it
        raises means that the request failed."""
