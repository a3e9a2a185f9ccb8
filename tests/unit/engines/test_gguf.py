"""The head of a GGUF file: what is read from a good one, and that a bad one harms nobody."""

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.engines import gguf
from sekisho.engines.gguf import Facts, NotGGUFError


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def pair(key: bytes, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def file(*pairs: bytes, version: int = 3, count: int | None = None) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs) if count is None else count) + b"".join(pairs)


LLAMA = pair(b"general.architecture", 8, string(b"llama"))
CONTEXT = pair(b"llama.context_length", 4, struct.pack("<I", 4096))


@pytest.mark.parametrize("version", [2, 3])
def test_architecture_and_context_length_are_read(version: int) -> None:
    assert gguf.parse(file(LLAMA, CONTEXT, version=version)) == Facts("llama", 4096)


def test_values_of_every_kind_are_passed_over() -> None:
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    plain = [pair(b"k%d" % kind, kind, b"\1" * size) for kind, size in sizes.items()]
    numbers = pair(b"numbers", 9, struct.pack("<IQ", 4, 3) + b"\0" * 12)
    strings = pair(b"strings", 9, struct.pack("<IQ", 8, 2) + string(b"a") + string(b"bc"))
    assert gguf.parse(file(*plain, numbers, strings, LLAMA, CONTEXT)) == Facts("llama", 4096)


def test_what_lies_beyond_the_part_that_is_read_is_not_known() -> None:
    vocabulary = pair(b"tokens", 9, struct.pack("<IQ", 8, 2**40) + string(b"a"))
    assert gguf.parse(file(LLAMA, vocabulary, CONTEXT)) == Facts("llama", None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no GGUF file"),
        (b"GGU", "no GGUF file"),
        (b"PK\3\4" + b"\0" * 100, "no GGUF file"),
        (file(LLAMA, version=1), "version 1"),
        (file(LLAMA, version=0x03000000), "version"),
        (b"GGUF\3\0\0\0", "names no architecture"),
        (file(CONTEXT), "names no architecture"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NotGGUFError, match=reason):
        gguf.parse(data)


@pytest.mark.parametrize("length", [0, 2**31 + 1, 2**64 - 1])
def test_an_impossible_context_length_is_not_believed(length: int) -> None:
    assert gguf.parse(file(LLAMA, pair(b"llama.context_length", 10, struct.pack("<Q", length)))) == Facts("llama", None)


@pytest.mark.parametrize(
    "poison",
    [
        pair(b"x", 9, struct.pack("<IQ", 0, 2**64 - 1)),
        pair(b"x", 9, struct.pack("<IQ", 8, 2**64 - 1)),
        pair(b"x", 9, struct.pack("<IQ", 9, 2**64 - 1)),
        pair(b"x", 8, struct.pack("<Q", 2**64 - 1)),
        pair(b"x", 77, b""),
        struct.pack("<Q", 2**63),
    ],
    ids=["endless numbers", "endless strings", "nested arrays", "endless string", "unknown kind", "endless key"],
)
def test_lies_about_sizes_end_the_reading_and_no_more(poison: bytes) -> None:
    assert gguf.parse(file(LLAMA, poison, count=2**64 - 1)) == Facts("llama", None)


@given(st.binary(max_size=300))
def test_any_bytes_after_the_magic_give_facts_or_a_refusal(data: bytes) -> None:
    try:
        facts = gguf.parse(b"GGUF\3\0\0\0" + b"\0" * 8 + b"\xff" * 8 + data)
    except NotGGUFError:
        return
    assert facts.architecture


def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(NotGGUFError, match="no file"):
        gguf.read(tmp_path / "pipe.gguf")


def test_a_missing_file_is_refused_with_the_systems_reason(tmp_path: Path) -> None:
    with pytest.raises(NotGGUFError, match="No such file"):
        gguf.read(tmp_path / "x.gguf")


def test_only_the_head_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    path.write_bytes(file(LLAMA, CONTEXT))
    with path.open("r+b") as large:
        large.truncate(1 << 40)  # sparse
    assert gguf.read(path) == Facts("llama", 4096)
