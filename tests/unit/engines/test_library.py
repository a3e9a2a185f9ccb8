"""The models folder: names, links, strange files, and files that are still on their way in."""

import os
from pathlib import Path

import pytest
from tests.unit.engines.test_gguf import CONTEXT, LLAMA, file, pair, string

from sekisho.engines.library import Library

MODEL = file(LLAMA, CONTEXT)


def models(folder: Path) -> dict[str, str]:
    """What the folder holds: model name → architecture, and file name → reason."""
    library = Library(folder)
    library.look(patient=False)
    return {name: each.facts.architecture for name, each in library.files.items()} | {
        ignored.name: ignored.reason for ignored in library.ignored
    }


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    assert models(tmp_path / "models") == {}


@pytest.mark.parametrize("name", ["tiny", "Qwen3-8B-Q4_K_M", "a.b_c-d@e+f:g", "My model (new) [1]=~x", "x" * 200])
def test_a_name_becomes_the_models(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.gguf").write_bytes(MODEL)
    assert models(tmp_path) == {name: "llama"}


@pytest.mark.parametrize(
    "name", ["-x", " x", "x ", "a,b", "a*", "a%2fb", "a\\b", "a\nb", "a\tb", "größe", "模型", 'a"b', "a;b", "a?b", "x" * 201]
)
def test_a_name_that_cannot_stand_in_a_header_or_a_list_is_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.gguf").write_bytes(MODEL)
    assert list(models(tmp_path)) == [f"{name}.gguf"]
    assert "use letters, digits" in models(tmp_path)[f"{name}.gguf"]


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.gguf", "wb") as odd:
        odd.write(MODEL)
    assert list(models(tmp_path)) == ["\\udcff\\udcfe.gguf"]


def test_other_files_and_hidden_ones_are_none_of_our_business(tmp_path: Path) -> None:
    for name in ("README.md", ".hidden.gguf", "x.gguf.part", "x.GGUF", ".gguf"):
        (tmp_path / name).write_bytes(MODEL)
    assert models(tmp_path) == {}


def test_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "big.bin").write_bytes(MODEL)
    (folder / "good.gguf").symlink_to(elsewhere / "big.bin")
    (folder / "relative.gguf").symlink_to("../elsewhere/big.bin")
    (folder / "broken.gguf").symlink_to(elsewhere / "nothing")
    (folder / "loop.gguf").symlink_to("loop.gguf")
    (folder / "folder.gguf").symlink_to(elsewhere)
    (folder / "device.gguf").symlink_to("/dev/zero")
    found = models(folder)
    assert (found["good"], found["relative"]) == ("llama", "llama")
    assert "No such file" in found["broken.gguf"]
    assert "cannot be read" in found["loop.gguf"]
    assert found["folder.gguf"] == found["device.gguf"] == "it is no file"


def test_what_is_no_model_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    (tmp_path / "eyes.gguf").write_bytes(file(pair(b"general.architecture", 8, string(b"clip"))))
    (tmp_path / "deep.gguf").mkdir()
    os.mkfifo(tmp_path / "pipe.gguf")
    found = models(tmp_path)
    assert found["text.gguf"] == "it is no GGUF file"
    assert "image part" in found["eyes.gguf"]
    assert found["deep.gguf"] == found["pipe.gguf"] == "it is no file"


def test_of_a_model_in_parts_only_the_first_is_listed(tmp_path: Path) -> None:
    for part in (1, 2, 3):
        (tmp_path / f"big-0000{part}-of-00003.gguf").write_bytes(MODEL)
    assert models(tmp_path) == {"big-00001-of-00003": "llama"}


def test_an_embedding_architecture_only_embeds(tmp_path: Path) -> None:
    (tmp_path / "e.gguf").write_bytes(file(pair(b"general.architecture", 8, string(b"nomic-bert"))))
    (tmp_path / "c.gguf").write_bytes(MODEL)
    library = Library(tmp_path)
    library.look(patient=False)
    assert library.files["e"].embeds_only
    assert not library.files["c"].embeds_only


def test_a_look_tells_whether_there_is_anything_new(tmp_path: Path) -> None:
    library = Library(tmp_path)
    assert not library.look(patient=False)
    (tmp_path / "x.gguf").write_bytes(MODEL)
    assert library.look(patient=False)
    assert not library.look(patient=False)
    (tmp_path / "x.gguf").write_bytes(MODEL + b"\0")
    assert library.look(patient=False)
    (tmp_path / "x.gguf").unlink()
    assert library.look(patient=False)
    assert library.files == {}


def test_a_patient_look_waits_until_a_file_stands_still(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.look(patient=True)
    with (tmp_path / "x.gguf").open("wb") as growing:
        growing.write(MODEL)
        growing.flush()
        assert not library.look(patient=True)
        growing.write(b"\0" * 10)
        growing.flush()
        assert not library.look(patient=True)
    assert library.look(patient=True)
    assert list(library.files) == ["x"]


def test_heads_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(MODEL)
    library = Library(tmp_path)
    library.look(patient=False)
    before = library.files["x"]
    status = path.stat()
    path.write_bytes(file(pair(b"general.architecture", 8, string(b"xxxxx")), CONTEXT)[: len(MODEL)].ljust(len(MODEL), b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    library.look(patient=False)
    assert path.stat().st_size == status.st_size
    assert library.files["x"] is before
