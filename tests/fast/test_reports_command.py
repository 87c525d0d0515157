"""``python -m app.reports`` on a real database, in this process and beside one that has it open."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.database import Database
from app.report_store import ReportStore
from app.reports import COLUMNS, main
from tests.fast.test_report_store import REPORT

ROOT = Path(__file__).parents[2]
FORMULA = '=HYPERLINK("http://x.example")'


@pytest.fixture
def folder(database: Database, visitor: int) -> str:
    """The folder of a database with two reports, which stays open."""
    store = ReportStore(database)
    store.put(visitor, "one", REPORT, ["doc"])
    store.put(visitor, "two", replace(REPORT, kinds=(), text=FORMULA, question="Line\nand line, \u00fc", model=""), [])
    return str(database.folder)


def test_every_report_is_a_line_of_the_list(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--data-dir", folder], {}) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "1  2026-03-02 08:00  wrong, unsafe  Fake  What helps?"
    assert second.endswith("in words  no model  Line and line, \u00fc")


def test_json_lines_hold_all_that_is_kept(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export"], {"LLAMACARE_DATA_DIR": folder}) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["kinds"] == ["wrong", "unsafe"]
    assert first["created"] == "2026-03-02T08:00:00+00:00"
    assert first["passages"][0]["text"] == "Colchicine helps zebrafruit."
    assert first["prompt"]["system"] == "system zebrafruit"
    assert (first["model"], first["file"], first["digest"]) == ("Fake", "fake.gguf", "d" * 64)
    assert second["text"] == FORMULA


def test_a_table_for_spreadsheets_holds_no_formula(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "reports.csv"
    assert main(["export", "--form", "csv", "--out", str(out), "--data-dir", folder], {}) == 0
    raw = out.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    header, first, second = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    assert tuple(header) == COLUMNS
    assert second[COLUMNS.index("text")] == f"'{FORMULA}"
    assert second[COLUMNS.index("question")] == "Line\nand line, \u00fc"
    assert first[COLUMNS.index("kinds")] == "wrong unsafe"
    assert first[COLUMNS.index("passages")].startswith("[doc 7] Gout, page 2\nColchicine")
    assert "user: > zebrafruit" in first[COLUMNS.index("prompt")]
    assert capsys.readouterr().err == f"Written to {out}\n"


def test_without_reports_both_say_so_and_no_file_is_made(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reports.jsonl"
    assert main(["list", "--data-dir", str(database.folder)], {}) == 0
    assert capsys.readouterr().out.startswith("No reports yet")
    assert main(["export", "--out", str(out), "--data-dir", str(database.folder)], {}) == 0
    assert capsys.readouterr().err.startswith("No reports yet")
    assert not out.exists()


def test_a_folder_without_a_database_is_named_and_stays_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--data-dir", str(tmp_path / "nowhere")], {}) == 2
    assert "Give --data-dir the folder that the application has" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").mkdir()
    assert main(["export", "--out", str(tmp_path / "taken"), "--data-dir", folder], {}) == 2
    assert f"{tmp_path / 'taken'} cannot be written" in capsys.readouterr().err


def test_it_runs_beside_a_process_that_writes(folder: str, database: Database, visitor: int) -> None:
    with database.write():
        ReportStore(database).put(visitor, "three", REPORT, [])
        command = [sys.executable, "-m", "app.reports", "export", "--data-dir", folder]
        reader = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    said, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    assert 2 <= len(said.splitlines()) <= 3
