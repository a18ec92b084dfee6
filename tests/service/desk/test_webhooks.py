"""Webhooks over HTTP: made, called in vain, enabled, and taken away."""

from __future__ import annotations

from tests.service.desk.asking import asked, post, until_true
from tests.service.served import Served


def test_a_webhook_is_made_and_says_what_went_wrong(served: Served, people: dict[str, str]) -> None:
    with served.client(people["ada"]) as ada:
        hook = post(ada, "/v1/webhooks", url="http://127.0.0.1:1/lab", project="solar")
        assert hook.status_code == 201, hook.text
        place = hook.headers["location"]
        assert hook.json()["secret"].startswith("whsec_")
        assert [one["called"] for one in ada.get("/v1/webhooks").json()["items"]] == [True]
        draft = ada.post("/v1/requests", json=asked(), headers={"Idempotency-Key": "one"}).json()["id"]
        until_true(lambda: any(one["tries"] for one in ada.get(f"{place}/notices").json()["items"]))
        (notice,) = ada.get(f"{place}/notices").json()["items"]
        assert (notice["body"]["data"]["request"], notice["sent_s"]) == (draft, None)
        assert "refused" in notice["error"]
        assert post(ada, f"{place}/enable").json() == {"id": hook.json()["id"]}
        assert ada.delete(place).status_code == 204
        assert ada.get("/v1/webhooks").json() == {"items": []}
