"""`labwright.open`: the face for notebooks, on the simulated reference lab."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

import labwright
from labwright.model.errors import ConfigError, RefusedError
from labwright.notebook import CampaignResult, OpenLab

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLab]:
    with labwright.open(ROOT, simulated=True, data=tmp_path_factory.mktemp("data"), seed=5) as opened:
        yield opened


@pytest.fixture(scope="module")
def result(lab: OpenLab) -> CampaignResult:
    return lab.campaign("conductivity", budget=2, planner="sobol").run()


def test_a_lab_says_what_it_is(lab: OpenLab) -> None:
    assert lab.simulated
    assert "SIMULATED" in repr(lab)
    assert lab.campaigns == ["conductivity"]
    reading = lab.devices["balance"].read()
    assert next(one["value"] for one in reading.values()) == pytest.approx(0, abs=1e-3)


def test_a_campaign_gives_a_table_with_units(result: CampaignResult) -> None:
    assert result.end.state == "completed"
    assert list(result.table.columns)[:1] == ["molality / mol/kg"]
    assert (result.table["status"] == "done").all()
    assert (result.table["conductivity / mS/cm"] > 0).all()
    assert (result.table["conductivity_sem / mS/cm"] > 0).all()
    assert result.best is not None
    assert result.report.is_file()
    assert "SIMULATED" in result._repr_html_()


def test_a_campaign_gives_the_pictures_of_its_report(result: CampaignResult) -> None:
    report = result.report.read_text(encoding="utf-8")
    titles = [unescape(one) for one in re.findall(r"<h2>(.*?)</h2>", report)]
    assert [one.title for one in result.pictures] == titles[: len(result.pictures)]
    best = result.pictures["Best so far"]
    assert str(best.picture) in report
    assert "<svg" in best._repr_html_()
    assert result.pictures._repr_html_().count("<h3>") == len(result.pictures)
    with pytest.raises(ConfigError, match="did you mean 'Best so far'"):
        result.pictures["Best so fra"]
    assert [one.title for one in labwright.connect(ROOT, data=result.data).pictures(result.end.campaign)] == [
        one.title for one in result.pictures
    ]


def test_the_runs_are_there_as_tables(lab: OpenLab, result: CampaignResult) -> None:
    assert len(lab.runs) == 8 + 2 * 8
    last = lab.runs[-1]
    assert [run.start for run in lab.runs[-2:]][-1] == last.start
    assert lab.runs[last.start["uid"][:12]].start == last.start
    assert {one.stop["exit_status"] for one in lab.runs} == {"success"}
    dosed = next(one for one in lab.runs if one.start["labwright"]["step"] == "dose")
    assert "dose" in repr(dosed)
    weighed = [column for stream in dosed.streams for column in dosed.table(stream).columns]
    assert "balance_mass / g" in weighed
    with pytest.raises(ConfigError, match="stream"):
        last.table("no such stream")
    with pytest.raises(ConfigError, match="no run begins with"):
        lab.runs["zzzz"]


def test_databroker_reads_them(lab: OpenLab, result: CampaignResult) -> None:
    with lab.store() as catalogue:
        assert len(catalogue) == len(lab.runs)
        run = lab.runs[0]
        header = catalogue.v1[run.start["uid"]]
        assert header.start["labwright"]["campaign"] == result.end.campaign
        assert catalogue.v1[-1].start["uid"] == lab.runs[-1].start["uid"], "scan ids do not begin again at each station"
        names = [name for name, _ in header.documents()]
        assert (names[0], names[-1]) == ("start", "stop")


def test_a_second_campaign_on_a_lab_gets_only_what_the_first_has_left(
    lab: OpenLab, result: CampaignResult, tmp_path: Path
) -> None:
    by = rf"is used up by {result.end.campaign}/cell_calibration"
    anew = tmp_path / "anew.yaml"
    anew.write_text((ROOT / "lab_config" / "campaigns" / "conductivity.yaml").read_text() + "\nprepare_anew: true\n")
    with pytest.raises(RefusedError, match=rf"position standard_weak holds \(KCl_0_01\) {by}; .* comes back full"):
        lab.campaign(str(anew), budget=1)
    assert lab.campaign("conductivity", budget=1).spec.budget == 1, "its calibration still holds"


def test_a_closed_lab_says_so(tmp_path: Path) -> None:
    lab = labwright.open(ROOT, simulated=True, data=tmp_path)
    campaign = lab.campaign("conductivity", budget=1)
    lab.close()
    with pytest.raises(RefusedError, match="is closed; open it again"):
        campaign.run()


def test_what_does_not_fit_is_a_configuration_error(lab: OpenLab) -> None:
    with pytest.raises(ConfigError, match=r"instead of the file's does not fit: budget"):
        lab.campaign("conductivity", budget=0)
    with pytest.raises(ConfigError, match=r"instead of the file's does not fit: seed"):
        lab.campaign("conductivity", seed=-1)


def test_nothing_is_opened_if_the_lab_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        labwright.open(tmp_path, simulated=True)


def test_importing_labwright_costs_nothing() -> None:
    code = "import labwright, sys; print([m for m in ('numpy', 'pandas', 'bluesky', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
