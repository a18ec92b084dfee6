"""`labwright request`: the life of a request as its requester and its reviewers type it, at a lab that is served."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.answers.offers import Offer
from labwright.cli.init import make_lab
from labwright.cli.request_files import read, template
from labwright.client import Capabilities
from labwright.lab import YamlFile
from tests.forks import labwright, start
from tests.service.desk.asking import DESK
from tests.service.served import Served, serving


class Desk:
    """A lab that is served, with the key files of people."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served = served
        self.folder = folder
        people = {
            "ada": served.person("ada", "requester", project="solar"),
            "tom": served.person("tom", "operator"),
            "sam": served.person("sam", "safety_reviewer"),
        }
        for name, key in people.items():
            file = folder / f"{name}.key"
            file.touch(0o600)
            file.write_text(key)

    def words(self, who: str, *words: str | Path, url: str = "") -> list[str | Path]:
        key = self.folder / f"{who}.key"
        return ["request", *words, "--url", url or self.served.url, "--key-file", str(key)]

    def types(self, who: str, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = labwright(*self.words(who, *words), cwd=self.folder)
        assert done.returncode == code, done.stderr
        return done

    def shown(self, request: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.types("ada", "show", request, "--json").stdout)
        return found

    def approved(self, request: str) -> str:
        """Both accept what is there; the state then."""
        digest = self.shown(request)["digest"]
        done = ""
        for who, kind in (("tom", "technical"), ("sam", "safety")):
            words = ("--kind", kind, "--digest", digest[:12], "--reason", "fits")
            done = self.types(who, "approve", request, *words).stderr
        return done.split(" (")[0].removeprefix(f"{request} is ")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    (folder / "lab_config" / "desk.yaml").write_text(DESK)
    file = folder / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace("hold_s: 60", "hold_s: 5"))
    with serving(folder, folder / "var", "--speed", "100") as served:
        yield Desk(served, tmp_path_factory.mktemp("asking"))


def filled(template: str, *temperatures: int, title: str = "How it glows") -> str:
    """What `request new` has written, as a person fills it in."""
    text = template
    for old, new in (
        ('title: ""', f'title: "{title}"'),
        ('contact: ""', "contact: ada@example.org"),
        ('terms: ""', 'terms: "2026-04"'),
    ):
        assert old in text
        text = text.replace(old, new)
    head, _, rest = text.partition("  - temperature:")
    runs = "".join(f"  - temperature: {{value: {one}, unit: degC}}\n" for one in temperatures)
    return head + runs + rest.partition("\n")[2]


def test_a_request_is_typed_from_its_file_to_its_data(desk: Desk) -> None:
    assert "did you mean 'warm_up'?" in desk.types("ada", "new", "warm_upp", code=3).stderr
    desk.types("ada", "new", "warm_up", "glow.yaml")
    file = desk.folder / "glow.yaml"
    empty = desk.types("ada", "submit", file, code=3).stderr
    assert "glow.yaml:10:26: runs.0.temperature.value: Input should be a valid number" in empty.replace(
        str(file.parent), ""
    )
    file.write_text(filled(file.read_text(), 25, 27))
    assert "Nothing is wrong with" in desk.types("ada", "validate", file).stderr
    done = desk.types("ada", "submit", file)
    name = done.stderr.split(" is validated")[0]
    assert "1400 JPY" in done.stdout
    assert "in 0 s of lab time" in done.stdout
    assert "1 technical review and 1 safety review to come" in done.stderr
    assert json.loads(desk.types("ada", "submit", file, "--json").stdout)["id"] == name  # once, however often
    read = desk.shown(name)["digest"]
    question = ("--kind", "technical", "--digest", read[:12], "--reason", "why 27?")
    assert "tom asks: why 27?" in desk.types("tom", "return", name, *question).stderr
    assert "which was returned. tom asks: why 27?" in desk.types("ada", "submit", file, code=5).stderr
    file.write_text(file.read_text().replace("value: 27", "value: 26"))
    desk.types("ada", "submit", file, "--request", name, "--note", "26 will do")
    stale = desk.types("tom", "approve", name, *question, code=5).stderr
    assert f"{name} is not what you have read" in stale
    assert "too short" in desk.types("tom", "approve", name, *question[:3], "12", *question[4:], code=3).stderr
    assert desk.approved(name) == "approved"
    waited = desk.types("ada", "wait", name, "--deadline", "60")
    assert waited.stderr.splitlines()[-1].endswith(f"{name} is delivered")
    assert "and is left as it is" in desk.types("ada", "fetch", name, desk.folder, code=3).stderr
    found = json.loads(desk.types("ada", "fetch", name, "found", "--json").stdout)
    assert "experiments.csv" in found["files"]
    assert "26.0" in (desk.folder / "found" / "experiments.csv").read_text()
    assert f"Nothing more happens to {name}" in desk.types("ada", "close", name).stderr
    desk.types("ada", "wait", name, "--until", "running")  # it was
    never = desk.types("ada", "wait", name, "--until", "rejected", code=1).stderr
    assert "is closed, not rejected: nothing more happens" in never
    assert name in desk.types("ada", "list", "--state", "closed").stdout


def test_what_is_wrong_is_said_with_its_line(desk: Desk) -> None:
    file = desk.folder / "wrong.yaml"
    desk.types("ada", "new", "warm_up", file)
    right = filled(file.read_text(), 400)
    file.write_text(right.replace("notes:", "nots:"))
    assert "wrong.yaml:30:1: nots: " in desk.types("ada", "submit", file, code=3).stderr  # what cannot be read
    file.write_text(right.replace("data_class: closed", "data_class: open"))
    said = desk.types("ada", "submit", file, code=3).stderr  # what the lab finds
    assert "wrong.yaml:10:18: runs.0.temperature: temperature = 400 degC is outside 20 to 90 degC\n" in said
    assert "wrong.yaml:25:13: data_class: data that are unreviewed under export control law cannot be open" in said
    for text, words in (
        ('{"project": "solar", "project": 2}', "1:22: the key 'project' is here a second time"),
        ("title: 2026-01-01\n", "1:8: title: 2026-01-01 is read as a date; write it in quotes"),
        ("runs: [{temperature: .nan}]\n", "1:22: runs.0.temperature: nan is no number"),
        ("1: 2\n", "1:1: the key 1 is no text"),
    ):
        file.write_text(text)
        assert words in desk.types("ada", "validate", file, code=3).stderr
    assert desk.types("ada", "list", "--json", "--state", "draft").stdout == ""


def test_an_edit_after_the_approval_and_an_abort(desk: Desk) -> None:
    file = desk.folder / "many.yaml"
    desk.types("ada", "new", "warm_up", file)
    glass = "label: S-1, composition: glass, amount: {value: 1, unit: pieces}, form: film, disposition: return"
    sample = f"samples:\n  - {{{glass}}}\n"
    template = file.read_text().replace("samples: []\n", sample)
    file.write_text(filled(template, 30))
    name = json.loads(desk.types("ada", "submit", file, "--json").stdout)["id"]
    assert desk.approved(name) == "awaiting_samples"
    file.write_text(filled(template, *range(30, 60)))
    edited = json.loads(desk.types("ada", "submit", file, "--request", name, "--json").stdout)
    assert (edited["state"], [one["void"] for one in edited["reviews"]]) == ("validated", [True, True])
    assert desk.approved(name) == "awaiting_samples"
    desk.types("ada", "receive", name, "S-1", "B-1", code=5)
    assert f"{name} is queued" in desk.types("tom", "receive", name, "S-1", "B-1", "--at", "fridge").stderr
    desk.types("ada", "wait", name, "--until", "running", "--deadline", "60")
    assert "possible is" in desk.types("ada", "cancel", name, "--reason", "late", code=5).stderr
    assert "it is stopped after the operations" in desk.types("ada", "abort", name, "--reason", "wrong").stderr
    assert "wrong" in str(desk.shown(name)["abort"])


class Held:
    """A line to a service on which no submission comes through."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.holds = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, out: bool) -> None:
        with one, contextlib.suppress(OSError):
            while said := one.recv(1 << 16):
                if out and b"/submit HTTP" in said:
                    self.holds.set()
                    continue
                other.sendall(said)


def test_a_client_that_is_killed_before_it_submits_is_repeated(desk: Desk) -> None:
    file = desk.folder / "killed.yaml"
    desk.types("ada", "new", "warm_up", file)
    file.write_text(filled(file.read_text(), 42, title="It was killed"))
    line = Held(int(desk.served.url.rpartition(":")[2]))
    first = start(*desk.words("ada", "submit", file, url=line.url), cwd=desk.folder)
    assert line.holds.wait(30)
    first.kill()
    first.wait(10)
    for stream in (first.stdout, first.stderr):
        assert stream is not None
        stream.close()
    line.close()
    drafts = [json.loads(one) for one in desk.types("ada", "list", "--state", "draft", "--json").stdout.splitlines()]
    assert [one["title"] for one in drafts] == ["It was killed"]
    done = json.loads(desk.types("ada", "submit", file, "--json").stdout)
    assert (done["id"], done["state"]) == (drafts[0]["id"], "validated")
    as_json = desk.folder / "killed.json"
    as_json.write_text(json.dumps(dict(reversed(YamlFile(file).data.items()))))
    assert json.loads(desk.types("ada", "submit", as_json, "--json").stdout)["id"] == done["id"]  # the same is asked
    titles = [json.loads(one)["title"] for one in desk.types("ada", "list", "--json").stdout.splitlines()]
    assert titles.count("It was killed") == 1
    again = json.loads(desk.types("ada", "submit", file, "--again", "--json").stdout)
    assert again["id"] != done["id"]
    desk.types("ada", "cancel", done["id"], "--reason", "twice")
    assert "is cancelled. Ask for the same with --again" in desk.types("ada", "submit", file, code=5).stderr


def test_the_file_to_be_filled_in_says_what_is_allowed(tmp_path: Path) -> None:
    parameters = [
        {"name": "rinses", "type": "integer", "unit": "1", "allowed": "0 to 5"},
        {"name": "solvent", "type": "choice", "description": "of the rinse", "allowed": "one of ec, dmc"},
        {"name": "dry", "type": "flag", "allowed": "true or false"},
    ]
    offer = Offer(name="rinse", version="2.1", summary="Two lines\nof it", parameters=parameters)
    file = tmp_path / "rinse.yaml"
    file.write_text(template(offer, Capabilities(lab="mine", terms="7", experiments=9), "solar"))
    assert '    solvent: ""                                  # of the rinse: one of ec, dmc\n' in file.read_text()
    assert "# of it\n" in file.read_text()
    found = read(file).data
    assert found["runs"] == [{"rinses": {"value": None, "unit": "1"}, "solvent": "", "dry": ""}]
    assert (found["project"], found["protocol"]) == ("solar", {"name": "rinse", "version": "2.1"})
    assert (found["terms"], found["samples"], found["export_control"]) == ("", [], {"status": "unreviewed"})


def test_a_request_is_asked_of_a_service() -> None:
    done = labwright("request", "list", env={"PATH": ""})
    assert (done.returncode, "name its URL with --url" in done.stderr) == (3, True)
