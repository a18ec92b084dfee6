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


class Rates(Frozen):
    """How often one may ask, in a minute; what opens nothing, in five.

    Attributes:
        key: with one key, or in one session.
        address: without, from one address.
        expensive: of what takes long, with one key or in one session.
        wrong: keys, passwords and sessions that open nothing, from one address.
        wrong_for: wrong passwords for one person.
    """

    key: Annotated[int, Field(ge=1)] = 6000
    address: Annotated[int, Field(ge=1)] = 600
    expensive: Annotated[int, Field(ge=1)] = 120
    wrong: Annotated[int, Field(ge=1)] = 60
    wrong_for: Annotated[int, Field(ge=1)] = 10


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
        host_names: by which browsers know it, beside its address and the names of the certificate.
        rates: how often one may ask.
        oidc: file that names the OpenID provider; that in the data folder, if there is one, where None is named.
    """

    root: Path | None
    data: Path
    journal: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = PORT
    certificate: Path | None = None
    private_key: Path | None = None
    proxy: str = ""
    host_names: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = ()
    rates: Rates = Rates()
    oidc: Path | None = None

    @property
    def secure(self) -> bool:
        """Whether browsers reach it with TLS only."""
        return self.certificate is not None or bool(self.proxy)

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds a session; with its prefix browsers let no other host set it (RFC 6265bis)."""
        return "__Host-labwright" if self.secure else "labwright"

    @property
    def local(self) -> bool:
        """Whether only programs on this machine reach it."""
        return self.host == "localhost" or _is_loopback(self.host)

    def refuse_exposed(self) -> None:
        """Refuse to send keys in the clear over a network.

        Raises:
            RefusedError: it would be reached from elsewhere without TLS, and behind no proxy; or a proxy has no name.
        """
        if (self.certificate is None) != (self.private_key is None):
            raise RefusedError("--certificate and --private-key belong together: give both, or none")
        if self.proxy and not _is_address(self.proxy):
            raise RefusedError(f"--proxy {self.proxy}: give the address from which the proxy comes, as 10.0.0.5")
        if self.proxy and not self.host_names:
            raise RefusedError("--proxy: give --host-name, too, the name by which browsers know the proxy")
        if self.local or self.certificate is not None or self.proxy:
            return
        raise RefusedError(
            f"--host {self.host}: keys and data would cross the network in the clear. Give --certificate and "
            "--private-key, or name the proxy that ends TLS with --proxy ADDRESS --host-name NAME; or leave --host "
            "out, and reach it through a tunnel"
        )


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
