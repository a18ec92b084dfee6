"""What an OpenID provider says: its keys, its tokens, and who has come with a code.

OpenID Connect Core 1.0 with the authorization code flow, PKCE (RFC 7636) and the issuer in the answer (RFC 9207).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from labwright.service.problems import Problem
from labwright.service.signin.provider import Provider, safe_url

ANSWERS_S = 5.0
"""Wall seconds in which a provider answers."""

DISCOVERED_S = 3600.0
"""Wall seconds for which its addresses are known."""

KEYS_S = 600.0
"""Wall seconds for which its keys are known."""

AGAIN_S = 10.0
"""Wall seconds before they are asked for once more, because of a token with another key, or because it was away."""

STALE_S = 86_400.0
"""Wall seconds for which its keys are still used while it does not answer."""

LEEWAY_S = 30
"""Seconds by which its clock may differ."""

ANSWER_MOST = 1_000_000
"""Bytes of an answer."""


@dataclass(frozen=True)
class Leaving:
    """A browser that was sent to the provider.

    Attributes:
        url: where it was sent.
        state: that comes back with it.
        nonce: that comes back in the token.
        verifier: of PKCE, which only this service knows.
    """

    url: str
    state: str
    nonce: str
    verifier: str


class Issuer:
    """An OpenID provider, spoken to.

    Args:
        provider: as configured.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._lock = threading.Lock()
        self._places: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None
        self._tried_s = -AGAIN_S

    def leave(self) -> Leaving:
        """Where a browser is sent to sign in.

        Raises:
            Problem: the provider does not answer.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self.provider.client_id, "redirect_uri": self.provider.callback,
            "scope": " ".join(self.provider.scopes), "state": state, "nonce": nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        place = self._place("authorization_endpoint")
        return Leaving(f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}", state, nonce, verifier)

    def came(self, code: str, leaving: Leaving) -> dict[str, Any]:
        """The claims about one who has come back with a code.

        Raises:
            Problem: the provider does not know the code, or says what cannot be.
        """
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": str(self.provider.callback),
            "client_id": self.provider.client_id, "code_verifier": leaving.verifier,
        }  # fmt: skip
        if self.provider.client_secret_file is not None:
            try:
                form["client_secret"] = self.provider.client_secret_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise Problem("unavailable", "the secret for the OpenID provider cannot be read") from error
        token = self._asked("POST", self._place("token_endpoint"), form).get("id_token")
        claims = self.claims(str(token), self.provider.client_id)
        if not secrets.compare_digest(str(claims.get("nonce", "")), leaving.nonce):
            raise _untrue("it is for another sign-in (nonce)")
        if claims.get("azp", self.provider.client_id) != self.provider.client_id:
            raise _untrue("it is for another client (azp)")
        return claims

    def claims(self, token: str, audience: str) -> dict[str, Any]:
        """What a token says, if it is true and for us.

        Args:
            token: signed, compact.
            audience: that it is for.

        Raises:
            Problem: it is not true, not for us, not yet, or no longer; or the provider's keys cannot be had.
        """
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError
        from joserfc.jwk import KeySet

        found: dict[str, Any] = {}
        for fresh in (False, True):
            keys = KeySet.import_key_set({"keys": self._signing_keys(fresh=fresh)})
            try:
                found = dict(jwt.decode(token, keys, algorithms=list(self.provider.algorithms)).claims)
                break
            except InvalidKeyIdError as error:  # it may have new ones
                if fresh:
                    raise _untrue("it is signed with a key that is none of the provider's") from error
            except (JoseError, ValueError) as error:
                raise _untrue(f"it is none, or its signature is wrong ({type(error).__name__})") from error
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.provider.issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            rules.validate(found)
        except (JoseError, ValueError, TypeError) as error:
            raise _untrue(f"what it says cannot be ({type(error).__name__}: {str(error)[:100]})") from error
        return found

    def _place(self, name: str) -> str:
        """One of the provider's addresses."""
        now_s = time.monotonic()
        if self._places is None or now_s - self._places[0] > DISCOVERED_S:
            said = self._asked("GET", f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration")
            if said.get("issuer") != self.provider.issuer:
                words = f"the OpenID provider calls itself {str(said.get('issuer'))[:200]!r}, and not as configured"
                raise Problem("unavailable", words)
            self._places = now_s, said
        try:
            return safe_url(str(self._places[1].get(name, "")))
        except ValueError as error:
            raise Problem("unavailable", f"the OpenID provider has no safe {name}: {error}") from error

    def _signing_keys(self, *, fresh: bool) -> list[Mapping[str, Any]]:
        """The provider's public keys.

        Args:
            fresh: whether those that are known do not do.
        """
        with self._lock:
            now_s = time.monotonic()
            age_s = float("inf") if self._keys is None else now_s - self._keys[0]
            if (fresh or age_s > KEYS_S) and now_s - self._tried_s > AGAIN_S:
                self._tried_s = now_s
                try:
                    self._keys = now_s, self._asked("GET", self._place("jwks_uri"))
                    age_s = 0.0
                except Problem:
                    if age_s > STALE_S:
                        raise
            if self._keys is None or age_s > STALE_S:
                raise Problem("unavailable", "the OpenID provider's keys cannot be had", headers={"Retry-After": "10"})
            keys = self._keys[1].get("keys", [])
        return [
            one
            for one in keys
            if isinstance(one, dict) and one.get("kty") in ("RSA", "EC", "OKP") and one.get("use", "sig") == "sig"
        ]

    def _asked(self, method: str, url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What the provider answers: JSON, and not without end.

        Raises:
            Problem: it does not.
        """
        import httpx  # where no provider is configured, its 10 MB are not needed

        body = b""
        try:
            with (
                httpx.Client(timeout=ANSWERS_S, follow_redirects=False) as client,
                client.stream(method, url, data=dict(form) if form else None) as answer,
            ):
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > ANSWER_MOST:
                        break
            found = httpx.Response(answer.status_code, content=body).json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as error:
            raise Problem("unavailable", f"the OpenID provider does not answer: {type(error).__name__}") from error
        if not isinstance(found, dict):
            if form is not None and answer.status_code in (400, 401, 403):
                raise _untrue(f"the OpenID provider refuses the code ({answer.status_code})")
            raise Problem("unavailable", f"the OpenID provider answers {answer.status_code}, or no object")
        return found


def _untrue(words: str) -> Problem:
    return Problem("unauthenticated", f"this token opens nothing: {words}")
