"""What the doctor says of the way the workers run, of the journal and of the models folder."""

from pathlib import Path

import pytest

from sekisho.app import compiled, doctor
from sekisho.app.lifecycle import Outage
from sekisho.engines.library import Ignored


def hot_path() -> tuple[str, str, str]:
    (found,) = doctor.hot_path()
    return found.level, found.message, found.remedy


def test_plain_python_is_a_hint_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(compiled.OFF, raising=False)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    level, message, remedy = hot_path()
    assert (level, "plain Python" in message) == ("hint", True)
    assert "`make setup`, or `python -m sekisho.app.compiled`; then `sekisho reload`" in remedy
    monkeypatch.setenv("CC", "no-such-compiler")
    assert hot_path()[2].startswith("install a C compiler")


def test_the_compiled_hot_path_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(compiled.OFF, raising=False)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    place = compiled._place(compiled._digest(compiled._sources()))
    place.mkdir(parents=True)
    (place / "complete").touch()
    assert hot_path() == ("hint", "workers run the compiled hot path", "")


def test_who_turned_it_off_is_reminded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.OFF, "python")
    level, message, remedy = hot_path()
    assert (level, compiled.OFF in message, compiled.OFF in remedy) == ("hint", True, True)


def test_the_doctor_tells_of_journals_without_room() -> None:
    assert doctor.room(0, 0) == []
    full, dropped = doctor.room(2, 5)
    assert (full.level, full.name) == ("error", "journal")
    assert "(workers: 2)" in full.message
    assert (dropped.level, "5 records" in dropped.message) == ("warning", True)
    assert "make room on the disk" in full.remedy


def test_many_files_are_counted_and_some_named() -> None:
    assert doctor.journal([]) == []
    (found,) = doctor.journal([f"b-1-00000{number}.log.damaged" for number in range(7)])
    assert found.level == "error"
    assert "7 files" in found.message
    assert found.message.count(".damaged") == 5


def test_each_file_that_is_no_model_is_told_with_its_reason() -> None:
    (found,) = doctor.models([Ignored("notes.gguf", "it is no GGUF file")])
    assert (found.level, found.message) == ("warning", "models/notes.gguf is not served: it is no GGUF file")


def test_an_outage_is_told_with_what_stands_in_for_the_database() -> None:
    assert doctor.database(None, None) == []
    (found,) = doctor.database(Outage("it is locked"), None)
    assert (found.level, found.name) == ("error", "database")
    assert found.message == "it is locked; calls are served, records wait in the journal"
    (found,) = doctor.database(Outage("it is gone", 5, 42, 1_800_000_000_000_000), None)
    assert "served from the sealed copy of revision 42 of 2027-01-15T08:00:00.000000Z" in found.message


def test_a_missing_copy_is_a_warning() -> None:
    (found,) = doctor.database(None, "the sealed copy cannot be written (no room)")
    assert (found.level, "no room" in found.message) == ("warning", True)
