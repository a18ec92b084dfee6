"""The OpenID provider of a lab, as `oidc.yaml` in the data folder says."""

from __future__ import annotations

import ipaddress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from labwright.lab.validation import examine
from labwright.lab.yamlfile import YamlFile
from labwright.model.base import Frozen
from labwright.model.errors import ConfigError, RefusedError

OIDC_FILE = "oidc.yaml"
"""In the data folder."""

LabRole = Literal["viewer", "operator", "safety_reviewer", "data_steward", "admin"]
ProjectRole = Literal["viewer", "requester", "operator", "safety_reviewer", "data_steward"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
"""With a public key only: who can check a token must not be able to make one."""


def safe_url(url: str) -> str:
    """A URL over which keys and codes may be sent: https, or http on this machine.

    Raises:
        ValueError: it is another.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname is not None and _is_here(parts.hostname):
        return url
    raise ValueError(f"{url[:200]} is no URL with https (http is for this machine alone)")


Url = Annotated[str, AfterValidator(safe_url)]


class Group(Frozen):
    """What a group of the provider's may do here.

    Attributes:
        roles: in the whole lab.
        projects: roles in projects, by the project's id.
    """

    roles: tuple[LabRole, ...] = ()
    projects: dict[str, tuple[ProjectRole, ...]] = {}


class Provider(Frozen):
    """An OpenID provider.

    Attributes:
        issuer: its URL, as its tokens have it in ``iss``.
        client_id: of this service there.
        client_secret_file: file with the secret of this service there; without one it is a public client, with PKCE.
        callback: URL of ``/v1/session/oidc/callback`` as browsers reach it; without one there is no sign-in by browser.
        audience: what tokens for this service have in ``aud``; none are taken as keys if it is empty.
        scopes: that are asked for.
        person: claim that is a person's id here, in small letters.
        groups_claim: claim that lists a person's groups.
        groups: what each of them may do here; others count for nothing.
        link_known: whether a person of the provider is the person that is known here by the same id already.
        algorithms: of signatures.
    """

    issuer: Url
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    client_secret_file: Path | None = None
    callback: Url | None = None
    audience: Annotated[str, Field(max_length=200)] = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    person: Annotated[str, Field(min_length=1, max_length=100)] = "preferred_username"
    groups_claim: Annotated[str, Field(min_length=1, max_length=100)] = "groups"
    groups: dict[str, Group] = {}
    link_known: bool = False
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256")

    def granted(self, names: object) -> dict[str, object]:
        """Roles and projects of one who is in these groups.

        Args:
            names: value of the claim.
        """
        known = [self.groups[name] for name in names if name in self.groups] if isinstance(names, list) else []
        projects: dict[str, set[str]] = {}
        for group in known:
            for project, roles in group.projects.items():
                projects.setdefault(project, set()).update(roles)
        return {
            "roles": sorted({role for group in known for role in group.roles}),
            "projects": {name: sorted(roles) for name, roles in projects.items()},
        }


def read_provider(named: Path | None, data: Path) -> Provider | None:
    """The lab's OpenID provider; None if it has none.

    Args:
        named: its file; that in the data folder, if there is one, where None is named.
        data: the data folder.

    Raises:
        ConfigError: the file has mistakes, or is not there.
        RefusedError: what reads tokens is not installed.
    """
    path = named or data / OIDC_FILE
    if not path.exists():
        if named is not None:
            raise ConfigError(f"--oidc {named}: there is no such file")
        return None
    found = examine(Provider, [YamlFile(path, Path(path.name))]).whole
    if find_spec("joserfc") is None:
        raise RefusedError(
            f"{path}: signing in with OpenID needs a package that is not installed: pip install 'labwright[oidc]'"
        )
    return found


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
