"""Requests that are safe to send again, to a service that may be starting at the moment."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import httpx

from labwright._version import __version__
from labwright.client.errors import ProblemError, ServiceError, UnreachableServiceError, problem_of
from labwright.client.keys import key_of, url_of
from labwright.model.errors import ConfigError

AGAIN_S, AGAIN_MOST_S = 0.2, 2.0
"""Wall seconds before a request is sent again; twice as long each time, as far as the second."""

PATIENCE_S = 15.0
"""Wall seconds for which a request is sent again; a service that has died is there again within them."""

ANSWER_S = 60.0
"""Wall seconds for an answer to come; the longest work of a service, checking a campaign, takes a few."""

DONE_S = 60.0
"""Wall seconds in which a controller has done what it was asked; what it does not take within 30 s is withdrawn."""

LOOK_S = 0.2

BUSY = (429, 502, 503)
"""Of HTTP: it may be another moment's matter."""


class Wire:
    """Sends requests to a service.

    Args:
        url: of the service; from LABWRIGHT_URL if None.
        key: of the person or program; from `key_file`, or LABWRIGHT_KEY, if None.
        key_file: with the key, readable by its owner alone.
        verify: file with the certificate to be trusted, or a context; the system's if True.
        patience_s: wall seconds for which a request is sent again if the service does not answer.

    Raises:
        ConfigError: there is no URL or what is given is none, or there is no key.
        RefusedError: other users of the machine may read the key.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        key_file: Path | str | None = None,
        verify: ssl.SSLContext | Path | str | bool = True,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.url = url_of(url)
        headers = {
            "Authorization": f"Bearer {key_of(key, key_file)}",
            "Accept": "application/json",
            "User-Agent": f"labwright/{__version__}",
        }
        if isinstance(verify, (str, Path)):
            verify = ssl.create_default_context(cafile=verify)
        self.patience_s = patience_s
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=ANSWER_S, verify=verify)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{self.url!r} is no URL of a service: {error}") from error

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """What is at a path, as JSON.

        Args:
            path: below the URL.
            query: of it; what is None or empty is left out.

        Raises:
            ProblemError: the service refuses.
            UnreachableServiceError: it does not answer.
        """
        return self.request("GET", path, query=query).json()

    def text(self, path: str, **query: Any) -> str:
        """What is at a path, as text.

        Raises:
            ProblemError: the service refuses.
            UnreachableServiceError: it does not answer.
        """
        return self.request("GET", path, query=query).text

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items at a path, page by page.

        Raises:
            ProblemError: the service refuses.
            UnreachableServiceError: it does not answer.
        """
        cursor: Any = None
        while True:
            page = self.get(path, **query, cursor=cursor)
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        version: str | None = None,
        done_s: float = DONE_S,
    ) -> dict[str, Any]:
        """Change something, once, however often that has to be sent; what comes of it.

        Args:
            method: POST, PUT, PATCH or DELETE.
            path: below the URL.
            body: as JSON.
            key: the Idempotency-Key; a new one if None. Give one to be able to ask for the same from another process.
            version: the ETag that the change is meant for; any if None.
            done_s: wall seconds in which the controller has to have done it.

        Raises:
            ProblemError: the service or the controller refuses.
            UnreachableServiceError: it does not answer, or the controller does not in time.
        """
        answer = self.change(method, path, body, key=key, version=version)
        found: dict[str, Any] = answer.json() if answer.content else {}
        if answer.status_code != 202:
            return found
        place = answer.headers["Location"]
        ends_s = time.monotonic() + done_s
        while (command := self.get(place))["state"] == "waiting":
            if time.monotonic() > ends_s:
                raise UnreachableServiceError(
                    f"the controller has not done {command['kind']!r} within {done_s:g} s; ask again what became of it "
                    f"at {self.url}{place}"
                )
            time.sleep(LOOK_S)
        if command["state"] != "done":
            words = "was not taken, and will not be" if command["state"] == "withdrawn" else "was refused"
            raise problem_of({"code": "refused", "detail": f"{command['kind']} {words}: {command['result']}"}, 409)
        return {**found, "state": "done", "result": command["result"]}

    def change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        version: str | None = None,
    ) -> httpx.Response:
        """As `send`, without waiting for the controller: the whole answer.

        Raises:
            ProblemError: the service refuses.
            UnreachableServiceError: it does not answer.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        if version is not None:
            headers["If-Match"] = version
        try:
            return self.request(method, path, body=body, headers=headers)
        except UnreachableServiceError as error:
            raise UnreachableServiceError(
                f"{error}. Whether it was done is not known: look before you ask for it once more, or send it with the "
                f"same key ({headers['Idempotency-Key']}), with which it is done once"
            ) from error

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, again and again as long as no answer comes and patience lasts; the answer.

        Only what is safe to be sent again is: what reads, and what has an Idempotency-Key.

        Raises:
            ProblemError: the service refuses.
            UnreachableServiceError: it does not answer.
        """
        given = {name: value for name, value in (query or {}).items() if value not in (None, "", False)}
        ends_s = time.monotonic() + self.patience_s
        wait_s = AGAIN_S
        while True:
            try:
                answer = self._http.request(method, path, params=given, json=body, headers=headers)
            except httpx.TransportError as error:
                if _hopeless(error) or time.monotonic() + wait_s > ends_s:
                    raise self._unreachable(error) from error
            else:
                if not answer.is_error:
                    return answer
                problem = _problem(answer)
                again = answer.status_code in BUSY or problem.code == "in_progress"
                if not again or time.monotonic() + wait_s > ends_s:
                    raise problem
                wait_s = max(wait_s, _asked_to_wait_s(answer))
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, AGAIN_MOST_S)

    def stream(
        self, path: str, *, query: Mapping[str, Any], headers: Mapping[str, str], quiet_s: float = ANSWER_S
    ) -> Any:
        """A request whose answer is read as it comes (a context, as httpx has it).

        Args:
            path: below the URL.
            query: of it; what is None or empty is left out.
            headers: further ones.
            quiet_s: wall seconds for which nothing may come.
        """
        quiet = httpx.Timeout(quiet_s, connect=min(quiet_s, self.patience_s))
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return self._http.stream("GET", path, params=given, headers=headers, timeout=quiet)

    def download(self, path: str, to: IO[bytes]) -> None:
        """Write what is at a path to a file, from its beginning where a connection is lost.

        Args:
            path: below the URL.
            to: the file; it is emptied before.

        Raises:
            ProblemError: the service refuses.
            UnreachableServiceError: it does not answer.
        """
        ends_s = time.monotonic() + self.patience_s
        wait_s = AGAIN_S
        while True:
            to.seek(0)
            to.truncate()
            try:
                with self.stream(path, query={}, headers={"Accept": "*/*"}) as answer:
                    self.refuse(answer)
                    for piece in answer.iter_bytes():
                        to.write(piece)
                return
            except httpx.TransportError as error:
                if _hopeless(error) or time.monotonic() + wait_s > ends_s:
                    raise self._unreachable(error) from error
            except ServiceError:
                if time.monotonic() + wait_s > ends_s:
                    raise
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, AGAIN_MOST_S)

    def refuse(self, answer: httpx.Response) -> None:
        """Raise what a streamed answer refuses, if it does.

        Raises:
            ProblemError: it does.
        """
        if answer.is_error:
            answer.read()
            raise _problem(answer)

    def _unreachable(self, error: Exception) -> UnreachableServiceError:
        return UnreachableServiceError(
            f"no service answers at {self.url}: {error or type(error).__name__}. Start one with: labwright serve; or "
            "name another with --url"
        )


def versioned(answer: httpx.Response) -> dict[str, Any]:
    """An answer as JSON, with its version."""
    return {**answer.json(), "version": answer.headers.get("ETag", "")}


def _problem(answer: httpx.Response) -> ProblemError:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "code" not in body:  # of a proxy between
        body = {"code": "", "detail": f"{answer.url} answers {answer.status_code} {answer.reason_phrase}"}
    return problem_of(body, answer.status_code)


def _hopeless(error: httpx.TransportError) -> bool:
    """Whether the same comes of it again: a certificate that is not trusted, no URL."""
    return (
        isinstance(error, (httpx.UnsupportedProtocol, httpx.ProtocolError))
        and not isinstance(error, httpx.RemoteProtocolError)
    ) or "CERTIFICATE_VERIFY_FAILED" in str(error)


def _asked_to_wait_s(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0
