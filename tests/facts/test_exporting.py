"""The experiments of a campaign as files: read back by what reads them elsewhere."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pandas
import pyarrow.parquet
from openpyxl import load_workbook

from labwright.facts.exporting import table_file

ROWS: list[dict[str, Any]] = [
    {
        "experiment": "0001", "x / mL": 1.5, "n": 3, "found": [1.0, 2.0], "good": True, "mixed": 1, "none": None,
        "started (UTC)": datetime(2026, 11, 28, 1, 2, 3, tzinfo=UTC), "why": '=HYPERLINK("http://x")',
    },
    {
        "experiment": "0002", "x / mL": None, "n": None, "found": None, "good": None, "mixed": "a", "none": None,
        "started (UTC)": None, "why": "+1\x07",
    },
]  # fmt: skip


def test_a_workbook_has_types_and_no_formula() -> None:
    sheet = load_workbook(io.BytesIO(table_file(ROWS, "xlsx"))).active
    assert sheet is not None
    head, first, second = sheet.iter_rows()
    assert [cell.value for cell in head] == list(ROWS[0])
    assert [cell.value for cell in first][:5] == ["0001", 1.5, 3, "[1.0,2.0]", True]
    assert first[7].value == datetime(2026, 11, 28, 1, 2, 3)  # noqa: DTZ001 - a workbook has no zones
    assert [cell.data_type for cell in (*first, *second) if cell.data_type == "f"] == []
    assert first[8].value == '=HYPERLINK("http://x")'
    assert str(second[8].value).startswith("+1")


def test_parquet_keeps_types() -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(table_file(ROWS, "parquet")))
    assert table.to_pylist()[0] | {"mixed": 1} == ROWS[0]
    assert table.column("mixed").to_pylist() == ["1", "a"], "several types: as text"
    assert table.column("why").to_pylist()[0].startswith("=HYPERLINK"), "no spreadsheet reads it"


def test_csv_is_read_by_pandas() -> None:
    frame = pandas.read_csv(io.BytesIO(table_file(ROWS, "csv")), dtype={"experiment": str})
    assert list(frame["experiment"]) == ["0001", "0002"]
    assert frame["why"][0] == '\'=HYPERLINK("http://x")'


def test_a_campaign_without_experiments_is_a_head() -> None:
    assert table_file([], "csv").strip() == b"experiment"
    assert pyarrow.parquet.read_table(io.BytesIO(table_file([], "parquet"))).column_names == ["experiment"]
    assert load_workbook(io.BytesIO(table_file([], "xlsx"))).active is not None
