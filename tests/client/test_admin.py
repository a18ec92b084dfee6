"""People, projects, keys, webhooks and quotas through the Python client, against the service's own process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from labwright.client import (
    Client,
    ForbiddenError,
    InvalidError,
    LostSecretError,
    NotFoundError,
    StaleError,
)
from labwright.model.errors import ConfigError
from tests.client.test_client import Lossy
from tests.service.test_admin import alone_in

pytestmark = pytest.mark.long


def test_an_admin_lets_people_in_and_a_change_for_another_version_is_refused(tmp_path: Path) -> None:
    with alone_in(tmp_path) as service, Client(service.url, service.key) as admin:
        admin.people.add("ada", email="ada@example.org")
        ada = admin.people.show("ada")
        assert (ada.email, ada.version.startswith('"')) == ("ada@example.org", True)
        admin.people.set_roles("ada", ["viewer"], version=ada.version)
        with pytest.raises(StaleError, match="it has changed"):
            admin.people.disable("ada", version=ada.version)
        admin.people.begin("solar", "Solar cells")
        solar = admin.people.project("solar")
        admin.people.join("solar", "ada", "requester", datetime(2099, 3, 31, tzinfo=UTC), version=solar.version)
        with pytest.raises(StaleError):
            admin.people.leave("solar", "ada", version=solar.version)
        empty = admin.people.quota("solar")
        set_to = admin.people.set_quota("solar", experiments=200, cost=5e5, version=empty.version)
        assert (set_to.experiments.amount, set_to.station_minutes.amount) == (200, None)
        assert set_to == admin.people.quota("solar")
        with pytest.raises(StaleError):
            admin.people.set_quota("solar", version=empty.version)
        with pytest.raises(NotFoundError, match="there is no project wind"):
            admin.people.quota("wind")
        invited = admin.people.invite("ada", hours=1)
        assert (invited.id, len(invited.invitation) > 40, invited.invitation in repr(invited)) == ("ada", True, False)
        admin.people.leave("solar", "ada", version=admin.people.project("solar").version)
        assert admin.people.project("solar").members == []


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    with alone_in(tmp_path) as service, Client(service.url, service.key) as admin:
        admin.people.add("tom", roles=["operator"])
        first = admin.keys.make("first", owner="tom")
        assert first.secret not in repr(first)
        with Client(service.url, first.secret) as tom:
            night = tom.keys.make("by night", only=["lab.read"], days=2)
            assert [(one.name, one.only) for one in tom.keys.list()] == [("first", None), ("by night", ["lab.read"])]
            with Client(service.url, night.secret) as limited, pytest.raises(ForbiddenError):
                limited.keys.make("more")
            with pytest.raises(ForbiddenError):
                tom.keys.make("first", owner="admin")
            tom.keys.revoke(night.id)
            assert [one.revoked_s is None for one in tom.keys.list()] == [True, False]
            with pytest.raises(InvalidError, match="there is no key"):
                tom.keys.revoke(night.id)
        with pytest.raises(NotFoundError):
            admin.keys.revoke("00000000")


def test_a_webhook_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "lab_config").mkdir()
    (tmp_path / "lab_config" / "desk.yaml").write_text("webhook_hosts: [127.0.0.1]\n")
    with alone_in(tmp_path) as service, Client(service.url, service.key) as admin:
        made = admin.webhooks.add("http://127.0.0.1:9/x", events=["deliver"])
        assert (made.secret[:6], made.secret in repr(made)) == ("whsec_", False)
        (kept,) = admin.webhooks.list()
        assert (kept.id, kept.url) == (made.id, "http://127.0.0.1:9/x")
        assert (kept.events, kept.called, admin.webhooks.notices(made.id)) == (["deliver"], True, [])
        admin.webhooks.enable(made.id)
        admin.webhooks.remove(made.id)
        assert admin.webhooks.list() == []
        with pytest.raises(NotFoundError, match="you have no webhook"):
            admin.webhooks.notices(made.id)


def test_a_secret_whose_answer_is_lost_is_said_to_be(tmp_path: Path) -> None:
    with alone_in(tmp_path) as service, Client(service.url, service.key) as admin:
        admin.people.add("ada")
        asks: list[tuple[Callable[[Client], Any], str]] = [
            (lambda lab: lab.keys.make("night"), "Revoke it with: labwright key revoke "),
            (lambda lab: lab.people.invite("ada"), "Make another one: this one ends then"),
        ]
        for ask, words in asks:
            line = Lossy(int(service.url.rpartition(":")[2]), losses=1)
            with Client(line.url, service.key) as lab, pytest.raises(LostSecretError, match=words) as lost:
                ask(lab)
            line.close()
            assert lost.value.exit_code == 1
        assert [one.name for one in admin.keys.list()] == ["made at the first start", "night"]


def test_what_is_no_url_is_refused_in_words() -> None:
    for url in ("http://[::1", "http://lab:8765\nx"):
        with pytest.raises(ConfigError, match="is no URL of a service"):
            Client(url, "lw_x")
