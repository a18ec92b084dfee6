"""Calls a webhook: signed as Standard Webhooks has it (https://www.standardwebhooks.com), and never into the lab's net.

The host is resolved once, its addresses are looked at, and the connection goes to the address that was looked at: what
a name means a second later does not matter. No redirect is followed.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from labwright._version import __version__
from labwright.model.errors import CommunicationError, ConfigError, RefusedError

TIMEOUT_S = 10.0
"""Wall seconds for each part of a call."""

CALL_S = 20.0
"""Wall seconds for a whole call, however its receiver spreads its answer."""

URL_MOST = 2000
ANSWER_MOST = 65_536
"""Bytes of an answer that are read; they are not kept."""


@dataclass(frozen=True)
class Place:
    """Where a webhook is.

    Attributes:
        secure: whether it is reached with TLS.
        host: by name, or address.
        port: there.
        path: with the query.
    """

    secure: bool
    host: str
    port: int
    path: str


def new_secret() -> str:
    """A secret to sign with, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def place_of(url: str, allowed: Collection[str]) -> Place:
    """Take a URL apart.

    Args:
        url: of a webhook.
        allowed: hosts that may be in a private network, and be reached without TLS.

    Raises:
        ConfigError: it is none that could be called.
    """
    if len(url) > URL_MOST or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"a webhook's URL has at most {URL_MOST} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url[:200]!r} is no URL: {error}") from error
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("https", "http") or not host or parts.username or parts.password or parts.fragment:
        raise ConfigError(f"{url[:200]!r} cannot be called: write https://HOST/PATH, without a user or a fragment")
    if parts.scheme == "http" and host not in allowed:
        raise ConfigError(f"{url[:200]!r} would be called in the clear: write https")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(secure, host, port or (443 if secure else 80), path)


def addresses(place: Place, allowed: Collection[str]) -> list[str]:
    """The addresses of a webhook's host, if all of them may be called.

    Raises:
        RefusedError: one of them is in a private network, and the host is not listed.
        CommunicationError: it has none.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name is empty, or has over 63 letters
        why = (error.strerror if isinstance(error, OSError) else "") or error
        raise CommunicationError(f"{place.host[:200]} has no address: {why}") from error
    numbers = list(dict.fromkeys(str(one[4][0]) for one in found))
    if place.host not in allowed:
        for number in numbers:
            if not _is_public(number):
                raise RefusedError(
                    f"{place.host} is {number}, which is in a private network, or special: Labwright calls only public "
                    "addresses. The lab can list the host in desk.yaml (webhook_hosts)"
                )
    return numbers


def call(place: Place, allowed: Collection[str], secret: str, name: str, body: bytes) -> int:
    """Send something signed; the HTTP status of the answer.

    Args:
        place: of the webhook.
        allowed: hosts that may be in a private network.
        secret: to sign with.
        name: of the message, the same at every try.
        body: JSON.

    Raises:
        RefusedError: it is in a private network.
        CommunicationError: it does not answer.
    """
    moment = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Labwright/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{signature(secret, name, moment, body)}",
    }
    why: Exception = CommunicationError(f"{place.host} has no address")
    ends_s = time.monotonic() + CALL_S
    for number in addresses(place, allowed):
        left_s = ends_s - time.monotonic()
        if left_s <= 0.0:
            break
        connection = _Pinned(place, number, min(TIMEOUT_S, left_s))
        timer = threading.Timer(left_s, connection.end)
        timer.daemon = True
        timer.start()
        try:
            connection.request("POST", place.path, body, headers)
            answer = connection.getresponse()
            if connection.ended:  # its head is what had come by then
                raise TimeoutError
            with contextlib.suppress(OSError, http.client.HTTPException):  # it has the notice, whatever else it says
                answer.read(ANSWER_MOST)
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            why = TimeoutError(f"it did not answer within {CALL_S:g} s") if connection.ended else error
        finally:
            timer.cancel()
            connection.close()
    raise CommunicationError(f"{place.host}, port {place.port}: {why or type(why).__name__}") from why


def signature(secret: str, name: str, moment: str, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body, in base64.

    Raises:
        ConfigError: it is no secret of a webhook.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"a webhook's secret is whsec_ and base64: {error}") from error
    signed = f"{name}.{moment}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class _Pinned(http.client.HTTPConnection):
    """Connects to an address that was looked at, whatever the name means now; another thread can end the call."""

    def __init__(self, place: Place, number: str, timeout_s: float) -> None:
        super().__init__(place.host, place.port, timeout=timeout_s)
        self._place = place
        self._number = number
        self._timeout_s = timeout_s
        self._line: socket.socket | None = None
        self.ended = False

    def connect(self) -> None:
        """As `http.client`, to the address."""
        line = socket.create_connection((self._number, self._place.port), self._timeout_s)
        if self._place.secure:
            context = ssl.create_default_context()
            line = context.wrap_socket(line, server_hostname=self._place.host, do_handshake_on_connect=False)
        self.sock = self._line = line  # `sock` is taken away before an answer's body is read
        if self.ended:
            raise TimeoutError
        if isinstance(line, ssl.SSLSocket):
            line.do_handshake()

    def end(self) -> None:
        """Have every wait of the call end now."""
        self.ended = True
        if self._line is not None:
            with contextlib.suppress(OSError):  # it is over already
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)  # not TLS's, which is for the thread that reads


def _is_public(number: str) -> bool:
    """Whether an address is one of the Internet's."""
    address = ipaddress.ip_address(number.partition("%")[0])
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is not None and not _is_public(str(inner)):
        return False
    return address.is_global and not address.is_multicast
