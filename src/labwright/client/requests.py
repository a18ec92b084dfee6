"""Requests for experiments at a service: ask, decide, follow, fetch what was found."""

from __future__ import annotations

import io
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from labwright.answers.desk import KeptLink, ListedRequest, Look, RequestEvent
from labwright.answers.offers import Capabilities
from labwright.client.answers import KeptRequest, Link
from labwright.client.asking import Request, content_of
from labwright.client.bundles import Bundle, refuse_taken
from labwright.client.errors import ConflictError, LostSecretError, NotReachedError, UnreachableServiceError
from labwright.client.events import resumed
from labwright.client.wire import AGAIN_MOST_S, Wire, versioned

if TYPE_CHECKING:
    import httpx
    import pandas

Kind = Literal["technical", "safety"]

Asked = Request | Mapping[str, Any]
"""A request, or its content as JSON."""

BUNDLED = ("delivered", "closed")
"""States in which there is a bundle."""

STUCK: Mapping[str, str] = {
    "draft": "it was not submitted",
    "needs_information": "its requester is asked something: edit it, and submit it again",
    "closed": "nothing more happens to it",
    "rejected": "nothing more happens to it",
    "cancelled": "nothing more happens to it",
    "expired": "its approval holds no longer; ask for it once more",
}
"""States out of which a request comes by its requester alone, or never."""

RETURNS = ("edit", "ask")
"""Events with which a request begins once more."""

DEADLINE_S = 86_400.0


class Requests:
    """Requests: ask for experiments, decide about them, follow them, fetch what was found.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def capabilities(self) -> Capabilities:
        """What the lab offers: protocols with their parameters, stations with their limits, prices, the queue."""
        return Capabilities.model_validate(self._wire.get("/v1/capabilities"))

    def validate(self, asked: Asked) -> Look:
        """What the lab finds of a request: all that is wrong with it, what it takes, when it could be done.

        Nothing is kept, and nothing happens.

        Args:
            asked: the request.

        Raises:
            InvalidError: it cannot even be read; with the place of each mistake.
        """
        answer = self._wire.request("POST", "/v1/requests:validate", body=content_of(asked))
        return Look.model_validate(answer.json())

    def create(self, asked: Asked, *, key: str | None = None) -> KeptRequest:
        """Write a draft.

        Args:
            asked: the request.
            key: the Idempotency-Key; a new one if None. With the same key it is written once, whatever process asks.
        """
        return self._send("POST", "/v1/requests", content_of(asked), key)

    def submit(self, request: str, note: str = "", *, key: str | None = None) -> KeptRequest:
        """Hand a draft in, or one that was returned.

        Args:
            request: its id.
            note: answers what reviewers have asked.
            key: the Idempotency-Key; a new one if None.

        Raises:
            InvalidError: something is wrong with it; with the place of each mistake.
        """
        return self._change(request, "submit", {"note": note}, key)

    def get(self, request: str) -> KeptRequest:
        """A request as it stands."""
        return _kept(self._wire.request("GET", _path(request)))

    def list(self, *, state: str = "", project: str = "", owner: str = "") -> Iterator[ListedRequest]:
        """Requests that the key may see, the newest first.

        Args:
            state: only in this one.
            project: only of this one.
            owner: only of this person or program.
        """
        pages = self._wire.pages("/v1/requests", state=state, project=project, owner=owner)
        return (ListedRequest.model_validate(one) for one in pages)

    def edit(self, request: KeptRequest, asked: Asked, *, key: str | None = None) -> KeptRequest:
        """Ask for something else; whatever was reviewed is reviewed once more.

        Args:
            request: as it was read.
            asked: instead of what it says.
            key: the Idempotency-Key; a new one if None.

        Raises:
            StaleError: it has changed since it was read.
        """
        return self._send("PUT", _path(request.id), content_of(asked), key, version=request.version)

    def accept(self, request: str, kind: Kind, because: str, *, digest: str) -> KeptRequest:
        """Accept a request, as its reviewer.

        Args:
            request: its id.
            kind: of the review.
            because: why.
            digest: of the content that was read.

        Raises:
            StaleError: it was edited since.
            ForbiddenError: the key does not review it.
        """
        return self._review(request, kind, "accept", because, digest)

    def return_(self, request: str, kind: Kind, because: str, *, digest: str) -> KeptRequest:
        """Return a request with a question, as its reviewer; as `accept`."""
        return self._review(request, kind, "return", because, digest)

    def reject(self, request: str, kind: Kind, because: str, *, digest: str) -> KeptRequest:
        """Reject a request, as its reviewer; as `accept`."""
        return self._review(request, kind, "reject", because, digest)

    def cancel(self, request: str, because: str) -> KeptRequest:
        """Take a request back, before anything was done for it."""
        return self._change(request, "cancel", {"because": because})

    def abort(self, request: str, because: str) -> KeptRequest:
        """Stop what is done for a request, after the operations under way."""
        return self._change(request, "abort", {"because": because})

    def close(self, request: str, note: str = "") -> KeptRequest:
        """All is well: nothing more is expected of the lab."""
        return self._change(request, "close", {"note": note})

    def sample_arrived(
        self, request: str, label: str, barcode: str, *, place: str = "", condition: str = ""
    ) -> KeptRequest:
        """Book a sample that has come; with the last one the request is queued.

        Args:
            request: its id.
            label: of the sample, in the request.
            barcode: on its container.
            place: where it was put.
            condition: how it looks.
        """
        body = {"barcode": barcode, "place": place, "condition": condition}
        return self._change(request, f"samples/{quote(label, safe='')}/arrival", body)

    def sample_gone(
        self, request: str, label: str, gone: Literal["returned", "stored", "destroyed"], because: str = ""
    ) -> KeptRequest:
        """Book what has become of a sample once its request is over."""
        body = {"gone": gone, "because": because}
        return self._change(request, f"samples/{quote(label, safe='')}/departure", body)

    def history(self, request: str) -> Sequence[RequestEvent]:
        """What has happened to a request, oldest first."""
        items = self._wire.get(f"{_path(request)}/history")["items"]
        return [RequestEvent.model_validate(one) for one in items]

    def events(self, request: str, after: int = 0) -> Iterator[RequestEvent]:
        """What happens to a request, as it happens, for ever; a lost connection is resumed without a gap.

        Args:
            request: its id.
            after: id of the last event that is known.
        """
        return (event for event in self._heard(request, after, None) if event is not None)

    def wait(
        self,
        request: str,
        until: str | Collection[str] = ("delivered",),
        *,
        deadline_s: float = DEADLINE_S,
        say: Callable[[KeptRequest], None] | None = None,
    ) -> KeptRequest:
        """Wait until a request is in a state, or was since it was last edited; the request then.

        A service that ends meanwhile is waited for, too.

        Args:
            request: its id.
            until: the state, or several.
            deadline_s: wall seconds to wait at most.
            say: called with the request whenever its state or what it waits for has changed.

        Raises:
            NotReachedError: it was not in time, or cannot come there any more; with what it waits for.
            UnreachableServiceError: the service does not answer at first.
        """
        wanted = {until} if isinstance(until, str) else {*until}
        ends_s = time.monotonic() + deadline_s
        history = self.history(request)
        shown = self.get(request)
        if shown.state not in STUCK or shown.state == "closed":
            since = max((index for index, one in enumerate(history) if one.event in RETURNS), default=0)
            if any(one.after in wanted for one in history[since:]):
                return shown  # it was there, and is further now
        last, said = history[-1].id if history else 0, ("", "")
        while time.monotonic() < ends_s:
            try:
                for event in self._heard(request, last, ends_s):
                    shown = self.get(request)
                    if say is not None and (shown.state, shown.waits_for) != said:
                        said = shown.state, shown.waits_for
                        say(shown)
                    if shown.state in wanted or (event is not None and event.after in wanted):
                        return shown
                    if shown.state in STUCK:
                        words = _why(shown, self.history(request)) or shown.waits_for or STUCK[shown.state]
                        raise NotReachedError(f"{request} is {shown.state}, not {_either(wanted)}: {words}")
                    last = last if event is None else event.id
            except UnreachableServiceError:  # it was there at first; a lab's machine starts again within minutes
                time.sleep(min(AGAIN_MOST_S, max(0.0, ends_s - time.monotonic())))
        raise NotReachedError(
            f"{request} is {shown.state} after {deadline_s:g} s, not {_either(wanted)}"
            f"{f'; {shown.waits_for}' if shown.waits_for else ''}. Wait for it once more, or ask the lab"
        )

    def fetch(self, request: str, folder: Path | str) -> Path:
        """Fetch what was found into a new folder, in one move; each file is checked against its SHA-256.

        Args:
            request: its id.
            folder: to be made.

        Returns:
            the folder.

        Raises:
            BundleError: what has come is not what the lab has written.
            ConfigError: there is such a folder.
        """
        folder = Path(folder)
        refuse_taken(folder)
        with self._bundle(request) as file:
            Bundle(file, f"the bundle of {request}").unpack(folder)
        return folder

    def experiments(self, request: str) -> pandas.DataFrame:
        """The experiments of a request as a table, units in its heads; of its campaign until they are delivered.

        Raises:
            ConflictError: nothing was tried yet.
        """
        import pandas

        return pandas.read_csv(io.StringIO(self.experiments_csv(request)))

    def experiments_csv(self, request: str) -> str:
        """The same as CSV."""
        shown = self.get(request)
        if shown.state in BUNDLED and shown.campaign:
            with self._bundle(request) as file:
                return Bundle(file, f"the bundle of {request}").read("experiments.csv").decode()
        if not shown.campaign:
            words = f"{request} is {shown.state}: nothing was tried for it"
            raise ConflictError({"code": "state", "detail": words}, 409)
        return self._wire.text(f"/v1/campaigns/{quote(shown.campaign, safe='')}/export", format="csv")

    def link(self, request: str, *, days: float | None = None) -> Link:
        """Make a link to what was found, for those without a key.

        Args:
            request: its id.
            days: for which it works; as the desk's rules say if None, and never longer.

        Raises:
            ConflictError: nothing was delivered yet, or it is controlled under export control law.
            ForbiddenError: the key is a program's, or its owner may not export it for good.
            LostSecretError: it was made, and the answer that had its secret was lost.
        """
        answer = self._wire.send("POST", f"{_path(request)}/deliveries", {} if days is None else {"days": days})
        if "path" not in answer:
            raise LostSecretError(f"a link to {request}", "Make another one; this one expires as it was asked for")
        return Link.model_validate({**answer, "url": f"{self._wire.url}{answer['path']}"})

    def links(self, request: str) -> Sequence[KeptLink]:
        """Links to what was found, the newest first: who made them, until when they work, how often followed."""
        return [KeptLink.model_validate(one) for one in self._wire.get(f"{_path(request)}/deliveries")["items"]]

    def withdraw_links(self, request: str) -> int:
        """Let no link to what was found work from now on; how many did until now."""
        return int(self._wire.send("DELETE", f"{_path(request)}/deliveries")["links_withdrawn"])

    def _bundle(self, request: str) -> IO[bytes]:
        file = tempfile.TemporaryFile()
        try:
            self._wire.download(f"{_path(request)}/delivery", file)
        except BaseException:
            file.close()
            raise
        return file

    def _heard(self, request: str, after: int, ends_s: float | None) -> Iterator[RequestEvent | None]:
        def read(fields: dict[str, str]) -> RequestEvent:
            return RequestEvent.model_validate(json.loads(fields["data"]))

        return resumed(self._wire, f"{_path(request)}/events", after, read, ends_s=ends_s)

    def _review(self, request: str, kind: Kind, decision: str, because: str, digest: str) -> KeptRequest:
        body = {"kind": kind, "decision": decision, "digest": digest, "because": because}
        return self._change(request, "reviews", body)

    def _change(self, request: str, what: str, body: Mapping[str, Any], key: str | None = None) -> KeptRequest:
        return self._send("POST", f"{_path(request)}/{what}", body, key)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any], key: str | None, version: str | None = None
    ) -> KeptRequest:
        headers = {"Idempotency-Key": key or str(uuid.uuid4()), **({} if version is None else {"If-Match": version})}
        return _kept(self._wire.request(method, path, body=body, headers=headers))


def _path(request: str) -> str:
    return f"/v1/requests/{quote(request, safe='')}"


def _kept(answer: httpx.Response) -> KeptRequest:
    return KeptRequest.model_validate(versioned(answer))


def _either(wanted: Collection[str]) -> str:
    return " or ".join(sorted(wanted))


def _why(shown: KeptRequest, history: Sequence[RequestEvent]) -> str:
    """What a reviewer or the lab has said last, where that is why a request goes no further."""
    if shown.state not in ("needs_information", "rejected"):
        return ""
    said = [one for one in history if one.after == shown.state and one.because]
    return f"{said[-1].actor} says: {said[-1].because}" if said else ""
