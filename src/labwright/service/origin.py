"""Where a request comes from: whether it was meant for this service, and whether a page of another site sent it.

A browser sends what any page asks it to, with the cookie of this service. Two checks see through that: the Host header
names this service (else a page's own domain was made to lead here, DNS rebinding), and what changes something does not
come from another site (Fetch metadata, else Origin; the rule of Go's `http.CrossOriginProtection`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from labwright.model.errors import ConfigError
from labwright.service.problems import Problem
from labwright.service.settings import ServiceSettings

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing."""

LOOPBACK = frozenset({"localhost", "ip6-localhost"})


def known_names(settings: ServiceSettings) -> frozenset[str]:
    """The names by which the service may be called, in small letters; addresses always may.

    Args:
        settings: how it is run.

    Raises:
        ConfigError: the certificate cannot be read.
    """
    names = {settings.host.lower(), *LOOPBACK, *(name.lower().rstrip(".") for name in settings.host_names)}
    if settings.certificate is not None:
        names |= certified_names(settings.certificate)
    return frozenset(names)


def certified_names(certificate: Path) -> frozenset[str]:
    """The names of a certificate, as PEM; one with a star is kept with it.

    Raises:
        ConfigError: it cannot be read.
    """
    from cryptography import x509

    try:
        first = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--certificate {certificate} cannot be read: {error}") from error
    try:
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        common = first.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        found = [str(one.value) for one in common]
    return frozenset(name.lower() for name in found)


def refuse_misdirected(headers: Mapping[str, str], names: frozenset[str]) -> None:
    """Refuse a request for another host.

    Args:
        headers: of the request, by their names in small letters.
        names: of this service, as `known_names` has them.

    Raises:
        Problem: Host is none of them, and no address.
    """
    given = headers.get("host", "")
    name = _name(given)
    if name is None or not (name in names or _is_address(name) or f"*.{name.partition('.')[2]}" in names):
        raise Problem(
            "misdirected",
            f"the request is for the host {given[:100]!r}, and that is no name of this service. If it is, start the "
            "service with --host-name NAME",
        )


def refuse_cross_site(method: str, headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site has a browser send.

    Args:
        method: of the request.
        headers: of it, by their names in small letters.

    Raises:
        Problem: it would change something, and comes from elsewhere.
    """
    if method in SAFE:
        return
    site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
    if site in ("same-origin", "none") or (not site and not origin):
        return  # this site's own page, the address bar; or no browser
    if not site and _host_of(origin) == headers.get("host", "").lower():
        return  # an old browser
    raise Problem(
        "cross_site",
        f"a page of another site ({(origin or site)[:100]!r}) has your browser send this; only this service's may",
    )


def local_path(wanted: str) -> str:
    """A path of this service to go on at; ``/`` where it is anything else.

    Args:
        wanted: by a link that any person may have made.
    """
    plain = wanted.isprintable() and wanted.isascii() and "\\" not in wanted
    if not plain or not wanted.startswith("/") or wanted.startswith("//"):
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    return wanted if not parts.scheme and not parts.netloc else "/"


def _name(host: str) -> str | None:
    """The name in a Host header, without its port; None if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises if it is no number
    except ValueError:
        return None
    if not host or parts.netloc != host or "@" in host or parts.hostname is None:
        return None
    return parts.hostname.rstrip(".")


def _host_of(origin: str) -> str | None:
    """Host and port of an Origin header; None of ``null``, and of what is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
