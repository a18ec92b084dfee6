"""Earlier campaigns a new one learns from: out of the journal, in the new one's words, or refused in words."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from labwright.engine import campaign, load_campaign
from labwright.engine.earlier import earlier_campaigns
from labwright.engine.events import Event, RunStep, Started, decisions
from labwright.journal import Journal, NewEvent
from labwright.journal.reading import choose, listed_rows
from labwright.lab import MistakesError, read_lab
from labwright.model.spec import CampaignSpec
from tests.engine.alone import Alone
from tests.engine.test_core import ended, started, suggested

ID = "old-20260101-000000-0001"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """A journal with a campaign of two experiments, and one that measured nothing."""
    with Journal(tmp_path_factory.mktemp("earlier") / "journal.sqlite") as one:
        one.control("Ann")
        write(one, ID, [2.0, 3.0])
        write(one, "empty-20260102-000000-0001", [])
        yield one


def write(journal: Journal, name: str, values: list[float], z: Sequence[float] = (), **more: Any) -> None:
    core = Alone()
    fixed = {"t": 27.0, "gas": "Ar", "stir": True}
    begin = started(campaign=name, budget=max(2, len(values)), fixed=fixed, **more)
    begin = begin.model_copy(update={"spec": begin.spec.model_copy(update={"name": name.partition("-")[0]})})
    left, others = list(values), list(z)

    def take(event: Event) -> list[Any]:
        instructions = core.handle(event)
        kept = orjson.dumps(decisions(instructions))
        new = NewEvent(name, event.kind, event.model_dump_json().encode(), kept, 0.0, core.changes())
        journal.record([new])
        return instructions

    pending = take(begin)
    while left:
        pending = take(suggested(0.1 * len(left)))
        while pending and isinstance(pending[0], RunStep):
            step = pending.pop(0)
            measures = step.order.step == "measure"
            results = {"y": left.pop(0), **({"z": others.pop(0)} if others else {})} if measures else {}
            pending += take(ended(step, "done", **results))


def spec(**changes: Any) -> CampaignSpec:
    return started(**{"warm_start": ["old"], "fixed": {"t": 27.0}, **changes}).spec


def test_its_experiments_come_by_name_or_id(journal: Journal) -> None:
    for name in ("old", ID):
        (found,), wrong = earlier_campaigns(journal, spec(warm_start=[name]))
        assert wrong == {}
        assert found.name == ID
        assert [(one.params, one.outcomes["y"].mean) for one in found.trials] == [({"x": 0.2}, 2.0), ({"x": 0.1}, 3.0)]


def test_what_was_fixed_and_is_searched_now_is_filled_in(journal: Journal) -> None:
    space = {
        "parameters": [
            {"type": "real", "name": "x", "unit": "1", "low": 0, "high": 1},
            {"type": "real", "name": "t", "unit": "degC", "low": 20, "high": 50},
        ]
    }
    wider = CampaignSpec.model_validate({**spec(fixed={}).model_dump(), "space": space})
    (found,), _ = earlier_campaigns(journal, wider)
    assert found.trials[0].params == {"x": 0.2, "t": 27.0}


def test_a_fixed_level_or_flag_is_filled_in_and_what_has_no_level_now_teaches_nothing(journal: Journal) -> None:
    x = {"type": "real", "name": "x", "unit": "1", "low": 0, "high": 1}
    searched = {"type": "categorical", "name": "gas", "levels": ["Ar", "N2"]}
    space = {"parameters": [x, searched, {"type": "flag", "name": "stir"}]}
    base = spec(fixed={}).model_dump()
    (found,), _ = earlier_campaigns(journal, CampaignSpec.model_validate({**base, "space": space}))
    assert found.trials[0].params == {"x": 0.2, "gas": "Ar", "stir": "true"}
    other = {"parameters": [x, {**searched, "levels": ["N2", "CO2"]}]}
    nothing, wrong = earlier_campaigns(journal, CampaignSpec.model_validate({**base, "space": other}))
    assert nothing == ()
    assert "cannot be learnt from: none of its 2 experiments" in wrong[0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"warm_start": ["odl"]}, "no campaign 'odl'; did you mean 'old'?"),
        ({"warm_start": ["empty"]}, "none of its 0 experiments found y"),
        ({"objective": {"name": "y", "goal": "max", "unit": "%"}}, "y was in '1', now it is in '%'"),
        ({"more_objectives": [{"name": "z", "goal": "max", "unit": "1"}]}, "it did not ask for z"),
    ],
)
def test_what_cannot_be_learnt_from_is_told(journal: Journal, changes: dict[str, Any], says: str) -> None:
    found, wrong = earlier_campaigns(journal, spec(**changes))
    assert found == ()
    assert says in wrong[0]


def test_the_planner_sees_them_and_they_are_kept_with_the_start(journal: Journal) -> None:
    earlier, _ = earlier_campaigns(journal, spec())
    core = Alone()
    event = Started.model_validate_json(started().model_copy(update={"earlier": earlier}).model_dump_json())
    (ask,) = core.handle(event)
    assert ask.state.earlier == earlier  # type: ignore[union-attr]  # the only instruction is an ask


def test_a_wrong_name_in_a_file_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "lacking", lambda planner, wanted: "")  # whatever the planner can
    root = Path(__file__).parents[2]
    text = (root / "lab_config" / "campaigns" / "conductivity.yaml").read_text()
    path = tmp_path / "again.yaml"
    path.write_text(text.replace("name: conductivity\n", "name: again\nwarm_start: [conductivty]\n", 1))
    with Journal(tmp_path / "journal.sqlite") as empty, pytest.raises(MistakesError) as told:
        load_campaign(read_lab(root), path, planner="sobol", journal=empty)
    assert re.search(r"again\.yaml:3:14: warm_start\.0: no campaign 'conductivty'", str(told.value))


def test_a_list_of_campaigns_keeps_its_order_whatever_happens(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as one:
        one.control("Ann")
        write(one, ID, [2.0])
        write(one, "newer-20260102-000000-0001", [3.0])
        before = [row["id"] for row in listed_rows(one)]
        assert before == [ID, "newer-20260102-000000-0001"]
        one.record([NewEvent(ID, "noted", b'{"kind": "noted", "words": "x"}', b"[]", 1.0, {})])
        assert [row["id"] for row in listed_rows(one)] == before
        assert choose(one, "")["id"] == ID, "without a name, the one in which something has happened last"
        assert [row["id"] for row in listed_rows(one, "newer")] == before[1:]
