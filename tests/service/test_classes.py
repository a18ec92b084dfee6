"""Classes of data: what each lets be seen, what loosens it, and how long it is kept back."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from itertools import product
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from labwright.model.errors import ConfigError, RefusedError
from labwright.service.classes import (
    Control,
    DataPolicy,
    Reach,
    allow,
    fiscal_year_end_s,
    policy_of,
    reach_of,
    set_policy,
    withdraw,
)
from labwright.service.database import Door
from labwright.service.rights import DataClass

NOW_S = 1_000_000.0
TOKYO = ZoneInfo("Asia/Tokyo")
GROUP = frozenset({"consortium"})


def test_what_is_kept_back_or_may_be_controlled_is_closed() -> None:
    cases: tuple[tuple[Control, float | None, str], ...] = (
        ("not_controlled", None, "open"),
        ("not_controlled", NOW_S - 1, "open"),
        ("not_controlled", NOW_S + 1, "closed"),
        ("unreviewed", None, "closed"),
        ("controlled", None, "closed"),
    )
    for control, kept, effective in cases:
        policy = DataPolicy("open", embargo_until_s=kept, export_control=control)
        assert policy.effective(NOW_S) == effective
    shared = DataPolicy("shared_closed", GROUP, embargo_until_s=NOW_S + 1)
    assert (shared.effective(NOW_S), shared.effective(NOW_S + 2)) == ("closed", "shared_closed")


def test_what_contradicts_itself_is_refused() -> None:
    for wrong in (DataPolicy("shared_closed"), DataPolicy("closed", GROUP)):
        with pytest.raises(ConfigError, match="shared_closed names the groups"):
            wrong.check()
    controls: tuple[Control, ...] = ("unreviewed", "controlled")
    for control in controls:
        with pytest.raises(RefusedError, match="cannot be open"):
            DataPolicy("open", export_control=control).check()


def test_loosening_is_seen_whichever_way_it_is_done() -> None:
    """Held against what could be seen: by whom, from when."""
    kinds: tuple[tuple[DataClass, frozenset[str]], ...] = (
        ("closed", frozenset()),
        ("shared_closed", GROUP),
        ("shared_closed", GROUP | {"others"}),
        ("open", frozenset()),
    )
    policies = [
        DataPolicy(data_class, groups, kept, control, licence)
        for (data_class, groups), kept, control, licence in product(
            kinds, (None, NOW_S + 10, NOW_S + 20), get_args(Control), ("", "CC0-1.0")
        )
        if data_class != "open" or control == "not_controlled"  # no other one is ever kept
    ]

    def seen(policy: DataPolicy) -> set[tuple[str, float]]:
        moments = (NOW_S, NOW_S + 15, NOW_S + 30)
        found = set()
        for at_s in moments:
            effective = policy.effective(at_s)
            if effective == "open":
                found |= {(who, at_s) for who in ("consortium", "others", "anyone")}
            elif effective == "shared_closed":
                found |= {(who, at_s) for who in policy.groups}
        return found

    strictness = {"not_controlled": 0, "unreviewed": 1, "controlled": 2}

    def loosened(after: DataPolicy, before: DataPolicy) -> bool:
        weaker = strictness[after.export_control] < strictness[before.export_control]
        licensed = (before.licence, after.licence) == ("", "CC0-1.0")
        return weaker or licensed or bool(seen(after) - seen(before))

    for before, after in product(policies, repeat=2):
        assert after.loosens(before, NOW_S) == loosened(after, before), (before, after)


def test_a_fiscal_year_ends_with_march_where_the_lab_is() -> None:
    for day, years, ends in (
        ("2026-11-27", 0, "2027-04-01"),
        ("2026-03-31T23:30:00", 0, "2026-04-01"),
        ("2026-04-01", 0, "2027-04-01"),
        ("2026-11-27", 2, "2029-04-01"),
    ):
        now_s = datetime.fromisoformat(day).replace(tzinfo=TOKYO).timestamp()
        assert datetime.fromtimestamp(fiscal_year_end_s(now_s, years, TOKYO), TOKYO).isoformat()[:10] == ends


def test_policies_and_grants_are_kept(door: Door) -> None:
    policy = DataPolicy("shared_closed", GROUP, 5.0, "not_controlled", "CC-BY-4.0")
    with door.writing() as connection:
        assert policy_of(connection, "request", "R1") == DataPolicy()
        set_policy(connection, "request", "R1", policy, "dan", "agreed")
        set_policy(connection, "request", "R1", policy, "dan", "agreed once more")
        allow(connection, "request", "R1", "gus", None)
        allow(connection, "request", "R1", "old", 1.0)
        allow(connection, "request", "R1", "was", None)
        withdraw(connection, "request", "R1", "was")
        assert policy_of(connection, "request", "R1") == policy
        assert reach_of(connection, "request", "R1") == Reach("shared_closed", GROUP, frozenset({"gus"}))
        assert reach_of(connection, "campaign", "R1") == Reach()


@pytest.mark.parametrize("data_class", ["closed", "shared_closed"])
def test_weaker_export_control_or_another_licence_loosens_whatever_the_class(data_class: DataClass) -> None:
    groups = GROUP if data_class == "shared_closed" else frozenset()
    one = partial(DataPolicy, data_class, groups)
    order: tuple[Control, ...] = ("controlled", "unreviewed", "not_controlled")
    for before, after in product(order, repeat=2):
        looser = order.index(after) > order.index(before)
        assert one(export_control=after).loosens(one(export_control=before), NOW_S) == looser
    assert one(licence="CC0-1.0").loosens(one(licence="CC-BY-NC-4.0"), NOW_S)
    assert not one().loosens(one(licence="CC0-1.0"), NOW_S), "without a licence, others may do nothing"
