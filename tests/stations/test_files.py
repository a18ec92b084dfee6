"""Files that steps find: kept by their content, and looked at before their reference is believed."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from labwright.model.errors import DeviceError, JournalError
from labwright.model.protocol import FileResult, ProtocolSpec, StepSpec
from labwright.stations.files import keep_file
from labwright.stations.results import checked_results

SPEC = ProtocolSpec(
    name="look",
    version="1",
    title="Look",
    parameters=(),
    results=(FileResult(name="picture", media_type="image/png"),),
    steps=(StepSpec(name="see", station="s", expected_s=1),),
)
CONTENT = b"\x89PNG what was seen"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_file_is_kept_once_and_is_found_again_where_the_data_folder_was_moved(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first, again = keep_file(data, CONTENT, "image/png"), keep_file(data, CONTENT, "image/png")
    assert first == again == {"uri": f"files/{SHA256}.png", "sha256": SHA256, "media_type": "image/png"}
    assert [one.name for one in (data / "files").iterdir()] == [f"{SHA256}.png"]
    moved = data.rename(tmp_path / "moved")
    assert checked_results({"picture": first}, SPEC, "see", moved) == {"picture": first}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"uri": "files/none.png"}, "none.png cannot be read: No such file"),
        ({"sha256": "0" * 64}, f"has the sha256 {SHA256}, not 000"),
        ({"uri": "file:///no/such.png"}, "/no/such.png cannot be read"),
        ({"media_type": "text/csv"}, "picture is 'text/csv', declared is 'image/png'"),
        ({"uri": "https://elsewhere/1.png"}, ""),
    ],
)
def test_a_reference_to_another_file_ends_its_step(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    found = {"picture": {**keep_file(tmp_path, CONTENT, "image/png"), **change}}
    if not says:  # another store's, where this process cannot look
        assert checked_results(found, SPEC, "see", tmp_path) == found
        return
    with pytest.raises(DeviceError, match="protocol look, step see: picture") as caught:
        checked_results(found, SPEC, "see", tmp_path)
    assert says in str(caught.value)


def test_what_cannot_be_written_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be written"):
        keep_file(tmp_path, CONTENT, "image/png")
