"""How the service is run, and what it refuses to be."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from labwright.model.base import Frozen
from labwright.model.errors import RefusedError

PORT = 8765
"""Where it listens, without another."""


class ServiceSettings(Frozen):
    """How the service is run.

    Attributes:
        root: folder of the lab; None if the service does not have it.
        data: folder of journal, runs and reports.
        journal: place of the journal: a file, or a URL.
        host: address on which it listens.
        port: there; 0 for any that is free.
        certificate: file with the TLS certificate and those above it; None for plain HTTP.
        private_key: file with the certificate's key.
        proxy: address of the reverse proxy that ends TLS, and whose X-Forwarded-For is believed; empty for none.
    """

    root: Path | None
    data: Path
    journal: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = PORT
    certificate: Path | None = None
    private_key: Path | None = None
    proxy: str = ""

    @property
    def local(self) -> bool:
        """Whether only programs on this machine reach it."""
        return self.host == "localhost" or _is_loopback(self.host)

    def refuse_exposed(self) -> None:
        """Refuse to send keys in the clear over a network.

        Raises:
            RefusedError: it would be reached from elsewhere without TLS, and behind no proxy.
        """
        if (self.certificate is None) != (self.private_key is None):
            raise RefusedError("--certificate and --private-key belong together: give both, or none")
        if self.local or self.certificate is not None or self.proxy:
            return
        raise RefusedError(
            f"--host {self.host}: keys and data would cross the network in the clear. Give --certificate and "
            "--private-key, or name the proxy that ends TLS with --proxy ADDRESS; or leave --host out, and reach it "
            "through a tunnel"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
