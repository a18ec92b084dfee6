"""Versions: who changes something says which version was read, at the wire."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.service.served import once
from tests.service.test_admin import alone_in


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with alone_in(tmp_path_factory.mktemp("door")) as one, one.client() as client:
        for name in ("ann", "bo", "cy"):
            client.post("/v1/people", json={"id": name}, headers=once()).raise_for_status()
        client.post("/v1/projects", json={"id": "solar"}, headers=once()).raise_for_status()
        yield client


def version(client: httpx.Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.headers["etag"]


def test_what_a_client_has_already_is_not_sent_again(admin: httpx.Client) -> None:
    tag = version(admin, "/v1/people/ann")
    assert tag.startswith('"')
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = admin.get("/v1/people/ann", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), given
    assert admin.get("/v1/people/ann", headers={"If-None-Match": '"other"'}).json()["id"] == "ann"
    wrong = admin.get("/v1/people/ann", headers={"If-None-Match": "other"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "malformed")
    assert version(admin, "/v1/people/bo") != tag
    assert admin.get("/v1/people/stranger").status_code == 404


def test_a_change_that_is_meant_for_an_earlier_version_is_refused(admin: httpx.Client) -> None:
    tag = version(admin, "/v1/people/bo")
    first = {**once(), "If-Match": tag}
    for _ in range(2):  # sent again, after it has changed the version by itself
        done = admin.put("/v1/people/bo/roles", json={"roles": ["viewer"]}, headers=first)
        assert done.status_code == 200, done.text
    for stale in (tag, f"W/{version(admin, '/v1/people/bo')}"):
        late = admin.put("/v1/people/bo/roles", json={"roles": []}, headers={**once(), "If-Match": stale})
        assert (late.status_code, late.json()["code"]) == (412, "precondition")
        assert late.headers["etag"] == version(admin, "/v1/people/bo")
    late = admin.delete("/v1/people/bo", headers={**once(), "If-Match": tag})
    assert late.status_code == 412
    assert admin.get("/v1/people/bo").json()["roles"] == ["viewer"]
    assert admin.get("/v1/people/bo").json()["disabled_s"] is None
    any_one = admin.put("/v1/people/bo/roles", json={"roles": []}, headers={**once(), "If-Match": "*"})
    assert any_one.status_code == 200


def test_a_project_has_another_version_with_each_member(admin: httpx.Client) -> None:
    tag = version(admin, "/v1/projects/solar")
    path = "/v1/projects/solar/members"
    joined = admin.put(f"{path}/cy", json={"role": "viewer"}, headers={**once(), "If-Match": tag})
    assert joined.status_code == 200, joined.text
    late = admin.put(f"{path}/ann", json={"role": "viewer"}, headers={**once(), "If-Match": tag})
    gone = admin.delete(f"{path}/cy", headers={**once(), "If-Match": tag})
    assert [late.status_code, gone.status_code] == [412, 412]
    assert [one["id"] for one in admin.get("/v1/projects/solar").json()["members"]] == ["cy"]
    assert admin.get("/v1/projects/none").status_code == 404


def test_where_a_version_must_be_named_it_is_asked_for() -> None:
    from fastapi import Request

    from labwright.service.problems import Problem
    from labwright.service.versions import check, etag

    def request(**headers: str) -> Request:
        return Request({"type": "http", "headers": [(b"if-match", one.encode()) for one in headers.values()]})

    with pytest.raises(Problem, match="send the ETag") as refused:
        check(request(), {"a": 1}, must=True)
    assert refused.value.status == 428
    check(request(first=etag({"a": 1})), {"a": 1}, must=True)
