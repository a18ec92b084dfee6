"""What is used is what was pumped: the ledger against confirmed operations and the simulated syringes."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labwright.clock import SteppedClock
from labwright.engine import (
    CampaignCore,
    CampaignRun,
    LabCore,
    Parts,
    close_unfinished,
    load_campaign,
    resume_campaign,
    started,
)
from labwright.engine.auditing import audit
from labwright.engine.events import Event
from labwright.engine.filling import left_on
from labwright.engine.forecasting import Forecast, forecast
from labwright.engine.inventory import deck_count
from labwright.engine.questions import Question
from labwright.engine.recounting import recount_alone
from labwright.engine.running import CampaignEnd
from labwright.journal import Journal, LoggedEvent, StepJournal, journal_file, schema
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.model.errors import JournalError, RefusedError
from labwright.model.records import Intent
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
DOSES = [f"pump_{number}" for number in range(1, 9)]

ROUNDING_UL = 0.5
"""A pump takes its volume in whole microlitres."""

HALF_NL = 500
"""Of what a pump makes of a dose, at most, that is not asked for."""

DOSES_OF_A_SAMPLE = 4

Answer = Callable[[Question, "Bench"], str]


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    return read_lab(ROOT)


class Bench:
    """The simulated reference lab and its journal, over several controllers."""

    def __init__(self, folder: LabFolder, data: Path, twin: SimulatedLab, clock: SteppedClock) -> None:
        self.folder, self.data, self.twin, self.clock = folder, data, twin, clock
        self.asked: list[Question] = []
        self.core = LabCore().campaign("")
        self.prepared: Callable[[Intent], None] = lambda intent: None
        self.dosing = ""
        self.instruments = ""
        """Those of this process, unless they are to outlive a controller's."""

    def run(
        self,
        *,
        budget: int = 2,
        resume: str = "",
        watch: Callable[[Event, CampaignRun], None] = lambda event, one: None,
        commit: Callable[[str, str], None] | None = None,
        answer: Answer = lambda question, bench: "abandon",
        spec: Path = SPEC,
        prepare_anew: bool = False,
    ) -> CampaignEnd:
        with (
            Journal(journal_file(self.data)) as journal,
            Lab(self.folder, self.clock, self.twin.addresses, simulated=True, instruments=self.instruments).opened(
                undisturbed=bool(resume)
            ) as lab,
        ):
            if resume:
                campaign = resume_campaign(self.folder, started(journal, resume))
            else:
                if prepare_anew:
                    anew = self.data / spec.name
                    anew.write_text(spec.read_text() + "\nprepare_anew: true\n")
                    spec = anew
                campaign = load_campaign(
                    self.folder, spec, budget=budget, seed=3, planner="sobol", count=left_on(journal, lab)
                )

            def look(event: Event, core: CampaignCore) -> None:
                self.core = core
                watch(event, one)
                for question in core.open_questions:
                    if question.id not in {known.id for known in self.asked}:
                        self.asked.append(question)
                        payload = {"question": question.id, "answer": answer(question, self)}
                        journal.command(core.campaign, "answer", payload, by="Kim", because="looked")

            parts = Parts(keeper=lambda journal: _Keeper(journal, lambda intent: self.prepared(intent)))
            one = CampaignRun(lab, campaign, journal, self.data, look, resume=resume, by="a test", parts=parts)
            if commit is not None:
                journal.writer.on_commit = commit
            return one.run()

    def in_dose(self, nth: int, do: Callable[[], Any], seconds: float = 1.0) -> None:
        """Do something some lab seconds after the n-th dose of a sample has begun."""
        left = [nth]

        def prepared(intent: Intent) -> None:
            left[0] -= intent.device in DOSES
            if intent.device in DOSES and left[0] == 0:
                self.dosing = intent.device
                self.later(seconds, do)

        self.prepared = prepared

    def stall(self) -> None:
        """All dosing pumps stall."""
        for pump in DOSES:
            self.twin.fault(pump, "stall")

    def later(self, seconds: float, do: Callable[[], Any]) -> None:
        """Do something after some lab time, in a thread of its own."""
        actor = self.clock.actor("the test", busy=True)

        def wait() -> None:
            actor.sleep(seconds)
            do()
            actor.close()

        threading.Thread(target=wait, daemon=True).start()

    def rows(self, table: Any, *where: Any) -> Any:
        with Journal(journal_file(self.data)) as journal:
            return journal.rows(table, *where)

    def events(self) -> list[LoggedEvent]:
        with Journal(journal_file(self.data)) as journal:
            return [event for campaign in journal.campaigns() for event in journal.events(campaign)]

    def assert_adds_up(self, filled_ml: float = 58.0) -> dict[str, int]:
        """Intents, ledger, lots and the world's syringes agree; nanolitres taken, by stock."""
        intents, ledger = self.rows(schema.intent), self.rows(schema.ledger)
        taken: dict[str, int] = {}
        for stock, lab_stock in self.folder.model.stocks.items():
            if not lab_stock.device:
                continue  # a standard, of which a preparation takes all
            mine = [row for row in intents if row["device"] == lab_stock.device]
            assert all(row["stock"] == lab_stock.facts.source for row in mine)
            confirmed = sum(row["amount"] for row in mine if row["state"] == "confirmed")
            delivered_ul = sum(round(row["value"]) for row in mine if row["state"] == "confirmed")
            assert confirmed == 1000 * delivered_ul, "a pump takes whole microlitres, and these are booked"
            in_doubt = sum(row["amount"] for row in mine if row["state"] in ("prepared", "unknown"))
            entries = of_place(f"container:{stock}", ledger)
            first, *taken_of_it = entries
            assert (first[0]["why"], first[1]) == ("first fill", round(1e6 * filled_ml)), stock
            assert -sum(change for _, change, _ in taken_of_it) == confirmed, stock
            assert -sum(unknown for _, _, unknown in entries) == in_doubt, stock
            (row,) = self.rows(schema.stock, schema.stock.c.name == stock)
            assert (row["count"], row["dead"], row["used"]) == (first[1], 500_000, confirmed), stock
            assert sum(change for _, change, _ in entries) == row["count"] - row["used"], stock
            assert row["unknown"] == in_doubt
            pumped_ul = 1000 * (filled_ml - float(self.twin.world.syringes[lab_stock.device].content.volume_ml))
            slack = (ROUNDING_UL + 1.0) * len(mine) + 0.02 * confirmed / 1000
            assert confirmed / 1000 - slack <= pumped_ul <= (confirmed + in_doubt) / 1000 + slack, stock
            taken[lab_stock.material] = confirmed
        with Journal.reading(journal_file(self.data)) as journal:
            assert audit(journal, deck_of_bench(journal), self.folder.model) == []
        if self.core.over:
            assert not any(row["reserved"] for row in self.rows(schema.stock))
        return taken


def deck_of_bench(journal: Journal) -> str:
    """The one deck of a bench's journal."""
    (deck,) = {str(row["instruments"]) for row in journal.rows(schema.stock)}
    return deck


def of_place(place: str, ledger: Any) -> list[tuple[Any, int, int]]:
    """Entries that touch a place: each with what has come there by it, known and perhaps."""
    found = [(row, row["amount"], row["unknown"]) for row in ledger if row["put_into"] == place]
    found += [(row, -row["amount"], -row["unknown"]) for row in ledger if row["taken_from"] == place]
    return sorted(found, key=lambda one: one[0]["entry"])


RINSE = "container:rinse-1"


class _Keeper(StepJournal):
    """The stations' journal, with somebody who looks on."""

    def __init__(self, journal: Journal, prepared: Callable[[Intent], None]) -> None:
        super().__init__(journal)
        self._prepared = prepared

    def prepare(self, intent: Intent) -> None:
        super().prepare(intent)
        self._prepared(intent)


@pytest.fixture
def bench(folder: LabFolder, tmp_path: Path) -> Any:
    clock = SteppedClock()
    with SimulatedLab(folder.model, clock, resolve, seed=3) as twin:
        yield Bench(folder, tmp_path, twin, clock)


def test_preparations_and_rinses_are_in_the_ledger(bench: Bench) -> None:
    assert bench.run(budget=2).state == "completed"
    assert bench.assert_adds_up()["rinse"] == 7_500_000, "three rinses of the calibration, two of the samples"
    by_why = Counter[str]()
    ledger = bench.rows(schema.ledger)
    for row, change, _ in of_place(RINSE, ledger):
        by_why[row["why"]] -= change
    assert by_why == {"first fill": -58_000_000, "preparation": 4_500_000, "experiment": 3_000_000}
    rinsed = sum(change for _, change, _ in of_place("waste:cell_waste", ledger))
    drawn = sum(change for _, change, _ in of_place("waste:drawn", ledger))
    draws = [row for row in bench.rows(schema.intent) if row["device"] == "pump_sample"]
    assert (rinsed, drawn) == (7_500_000, sum(row["amount"] for row in draws))
    for label in ("0001", "0002"):
        entries = of_place(f"sample:{bench.core.campaign}/{label}", ledger)
        made = sum(change for _, change, _ in entries if change > 0)
        assert made == pytest.approx(2_000_000, abs=DOSES_OF_A_SAMPLE * HALF_NL)
        assert sum(change for _, change, _ in entries) == made - 3 * 450_000, "three fillings of the cell"
    prepared = of_place(f"sample:{bench.core.campaign}/cell_calibration", ledger)
    assert sum(change for _, change, _ in prepared if change > 0) == 12_000_000, "two standards, used up"


def test_a_given_up_sample_is_charged_what_it_took(bench: Bench) -> None:
    """The second of its doses stalls half way: what came before counts, of the rest nobody says more than the pump."""
    bench.in_dose(2, bench.stall)
    bench.run(budget=1, answer=lambda question, bench: "abandon")
    taken = bench.assert_adds_up()
    dosed = {stock: nl for stock, nl in taken.items() if stock != "rinse" and nl}
    assert 0 < sum(dosed.values()) < 1_500_000, "of the two millilitres that were planned"
    assert taken["rinse"] == 4_500_000, "it was given up before its own rinse"


@pytest.mark.parametrize("word", ["rest", "take"])
def test_a_dose_that_a_power_cut_ends_half_way_is_completed_or_taken_as_it_is(bench: Bench, word: str) -> None:
    bench.in_dose(1, lambda: bench.twin.fault(bench.dosing, "power_cycle"), 1.5)
    end = bench.run(budget=1, answer=lambda question, bench: word)
    assert end.state == "completed", end.reason
    bench.assert_adds_up()
    (question,) = bench.asked
    part = question.part
    assert part is not None
    assert 50 < part.counted < part.asked - 50
    (found,) = [
        event.payload["outcome"]["results"]
        for event in bench.events()
        if event.kind == "step_ended" and event.payload["outcome"]["step_id"].endswith("/dose")
        if event.payload["outcome"]["state"] == "done"
    ]
    dosed_ul = found["volumes_ul"][part.stock]
    assert dosed_ul == pytest.approx(part.asked if word == "rest" else part.counted)
    assert sum(found["volumes_ul"].values()) == pytest.approx(2000.0 - (0 if word == "rest" else part.rest), abs=0.1)
    (vial,), (trial,) = bench.twin.world.thrown_away, end.core.trials
    assert trial.measured_params is not None
    assert trial.measured_params["molality"] == pytest.approx(vial.content.composition()[0], rel=2e-3, abs=5e-4)


def test_a_stop_now_leaves_a_dose_unknown_in_the_ledger(bench: Bench) -> None:
    runs: list[CampaignRun] = []
    bench.in_dose(2, lambda: runs[0].ask_to_stop("seen enough", now=True), 0.5)
    end = bench.run(budget=1, watch=lambda event, one: runs.append(one))
    assert end.state == "stopped"
    bench.assert_adds_up()
    unknown = [row for row in bench.rows(schema.ledger) if row["unknown"]]
    assert len(unknown) == 1
    assert unknown[0]["amount"] == 0


@pytest.mark.parametrize("label", ["before outcome:dose", "after intent:dose"])
def test_a_controller_that_is_cut_off_counts_nothing_twice(bench: Bench, label: str) -> None:
    seen = Counter[str]()

    def cut(when: str, what: str) -> None:
        here = f"{when} {what}".startswith(label)
        seen["here"] += here
        if (here and seen["here"] == 3) or seen["cut"]:
            seen["cut"] += 1
            raise JournalError("the controller ends here")

    with pytest.raises(JournalError, match="the controller ends here"):
        bench.run(budget=1, commit=cut)
    (campaign,) = {row["id"] for row in bench.rows(schema.campaign)}
    end = bench.run(resume=campaign, answer=lambda question, bench: "rest" if question.part else "done")
    assert end.state == "completed", end.reason
    assert sum(bench.assert_adds_up().values()) == pytest.approx(6_000_000 + 2_000_000, abs=DOSES_OF_A_SAMPLE * HALF_NL)


def test_what_a_campaign_took_that_is_never_resumed_is_counted(bench: Bench) -> None:
    seen = Counter[str]()

    def cut(when: str, what: str) -> None:
        seen["here"] += f"{when} {what}" == "before outcome:weak"
        if seen["here"]:
            raise JournalError("the controller ends here")

    with pytest.raises(JournalError, match="the controller ends here"):
        bench.run(budget=1, commit=cut)
    with Journal(journal_file(bench.data)) as journal:
        close_unfinished(journal, journal.campaigns()[0], "begun anew", "Kim")
    assert bench.rows(schema.campaign)[0]["state"] == "stopped"
    _, *entries = of_place(RINSE, bench.rows(schema.ledger))
    assert [(change, unknown, row["why"]) for row, change, unknown in entries] == [(0, -1_500_000, "preparation")]
    bench.assert_adds_up()


def places(bench: Bench) -> list[str]:
    """Where the containers of the newest campaign's experiments came from."""
    (newest,) = bench.rows(schema.campaign, schema.campaign.c.id == bench.core.campaign)
    events = [one for one in bench.events() if one.campaign == newest["id"] and one.kind == "granted"]
    return [begun["place"] for one in events for begun in one.payload["begins"]]


def test_a_second_campaign_begins_where_the_first_was_cut_off_and_ended(bench: Bench) -> None:
    """One deck, no refill: racks, syringes and standards are as the first campaign left them."""
    bench.instruments = "the twin"
    standards = {name: copy.deepcopy(bench.twin.world.places[name]) for name in ("standard_weak", "standard_strong")}
    seen = Counter[str]()

    def cut(when: str, what: str) -> None:
        seen["here"] += f"{when} {what}".startswith("before outcome:dose")
        if seen["here"] == 2:
            raise JournalError("the controller ends here")

    with pytest.raises(JournalError, match="the controller ends here"):
        bench.run(budget=2, commit=cut)
    (row,) = bench.rows(schema.campaign)
    with (
        Journal(journal_file(bench.data)) as journal,
        pytest.raises(RefusedError, match=r"is taking from it.* resume it first"),
    ):
        recount_alone(
            journal,
            bench.folder.model,
            "the twin",
            dict.fromkeys(bench.folder.model.stocks, 58_000_000),
            {},
            by="Kim",
            because="x",
        )
    end = bench.run(resume=row["id"], answer=lambda question, bench: "rest" if question.part else "done")
    assert end.state == "completed", end.reason
    assert places(bench) == ["rack_1", "rack_2"]
    bench.assert_adds_up()
    with pytest.raises(RefusedError, match=rf"standard_weak holds \(KCl_0_01\) is used up by {row['id']}/cell_calib"):
        bench.run(budget=1, prepare_anew=True)
    bench.twin.world.places.update(standards)
    with Journal(journal_file(bench.data)) as journal:
        kinds = {"standard_weak": "KCl_0_01", "standard_strong": "KCl_0_1"}
        recount_alone(journal, bench.folder.model, "the twin", {}, kinds, by="Kim", because="new standards")
    end = bench.run(budget=1, prepare_anew=True)
    assert end.state == "completed", end.reason
    assert places(bench) == ["rack_3"], "with what is left"
    left_nl = 58_000_000 - bench.assert_adds_up()["rinse"]
    with Journal(journal_file(bench.data)) as journal:
        recount_alone(journal, bench.folder.model, "the twin", {"rinse": 40_000_000}, {}, by="Kim", because="read off")
        count = deck_count(journal, "the twin")
    assert count is not None
    assert count.stocks["rinse-1"].count == 40_000_000
    *_, (entry, change, _) = of_place(RINSE, bench.rows(schema.ledger))
    assert (entry["why"], change, entry["by"], entry["because"]) == (
        "recount", 40_000_000 - left_nl, "Kim", "read off",
    )  # fmt: skip
    assert count.holds["rack_1"].kind == count.holds["cell"].kind == ""
    assert count.holds["rack_4"].fresh


def test_a_forecast_beside_a_running_campaign_tells_what_runs_out_first(bench: Bench) -> None:
    told: dict[str, Forecast] = {}

    def ask(event: Event, one: CampaignRun) -> None:
        if event.kind == "step_ended" and event.outcome.step_id.endswith("0003/finish") and not told:
            with Journal.reading(journal_file(bench.data)) as journal:
                told.update({found.what: found for found in forecast(journal, deck_of_bench(journal))})

    assert bench.run(budget=5, watch=ask).state == "completed"
    rinse, vial, waste = told["rinse"], told["vial"], told["drawn"]
    assert (rinse.each, rinse.unit, rinse.lasts) == (1_500_000, "nL", True)
    assert rinse.lasts_for == rinse.left // 1_500_000
    assert (waste.kind, waste.each) == ("waste", 1_350_000)
    assert (vial.kind, vial.each) == ("container", 1)
    assert vial.left in (26, 27)
    assert vial.wanted in (1, 2), "the fourth may have begun"


def test_a_recount_beside_a_running_campaign_is_in_the_ledger_and_doubles_nothing(bench: Bench) -> None:
    asked: dict[str, int] = {}

    def ask(event: Event, one: CampaignRun) -> None:
        if event.kind == "step_ended" and event.outcome.step_id.endswith("0001/dose"):
            counts: dict[str, dict[str, dict[str, Any]]] = {
                "rinse": {"counts": {"rinse": 50_000_000}, "containers": {"rack_30": ""}},
                "wrong": {"counts": {"rins": 50_000_000}, "containers": {}},
                "in use": {"counts": {}, "containers": {"balance": "", "plate_1": "", "cell": ""}},
                "none": {"counts": {"rinse": -1}, "containers": {}},
            }
            for name, payload in counts.items():
                asked[name] = one.controller.journal.command("", "recount", payload, by="Kim", because="looked")

    assert bench.run(budget=2, watch=ask).state == "completed"
    with Journal(journal_file(bench.data)) as journal:
        answers = {name: journal.answer_to(number) for name, number in asked.items()}
    assert answers.pop("rinse") == "done"
    assert str(answers["wrong"]).startswith("refused: no stock or waste 'rins'; did you mean 'rinse'?")
    assert "is in use by experiment" in str(answers["in use"])
    assert "greater than or equal to 0" in str(answers["none"])
    entries = of_place(RINSE, bench.rows(schema.ledger))
    whys = [row["why"] for row, _, _ in entries]
    assert whys.count("recount") == 1
    (stock,) = bench.rows(schema.stock, schema.stock.c.name == "rinse-1")
    assert stock["count"] == 50_000_000
    assert sum(change for _, change, _ in entries) == stock["count"] - stock["used"]
    after = entries[whys.index("recount") + 1 :]
    assert stock["used"] == -sum(change for _, change, _ in after)
    assert -sum(change for row, change, _ in entries if row["campaign"]) == 7_500_000, "as without a count"


def campaign_file(folder: Path, **changes: str) -> Path:
    """The reference campaign with other lines."""
    text = SPEC.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "changed.yaml"
    path.write_text(text)
    return path


FIXED = "fixed: {temperature: 27.0}\n"


def test_two_samples_at_once_on_simulated_wires(bench: Bench, tmp_path: Path) -> None:
    spec = campaign_file(tmp_path, **{FIXED: f"{FIXED}parallel: 2\n"})
    at_once = []
    end = bench.run(budget=3, spec=spec, watch=lambda event, one: at_once.append(len(one.core.live)))
    assert end.state == "completed", end.reason
    assert max(at_once) == 2
    assert bench.assert_adds_up()["rinse"] == 9_000_000
    assert not bench.twin.world.broken_vials


def test_two_samples_at_two_temperatures_on_one_hotplate(bench: Bench, tmp_path: Path) -> None:
    temperature = "    - {type: real, name: temperature, unit: degC, low: 25, high: 60}\n  constraints:"
    spec = campaign_file(tmp_path, **{FIXED: "parallel: 2\n", "  constraints:": temperature})

    def stop(event: Event, one: CampaignRun) -> None:
        if one.core.open_questions:
            one.ask_to_stop("a sample was measured at another's temperature", now=False)

    end = bench.run(budget=4, spec=spec, watch=stop)
    assert end.state == "completed", end.reason
