"""What is told of a process that fell: the first error it logged, or the last thing it said that is no log."""

import asyncio
from typing import Any

import pytest

from sekisho.engines.processes import LAST_WORDS_BYTES, Process
from sekisho.kit.crypto import Secret


def words(said: bytes) -> str:
    unused: Any = None
    return Process(unused, unused, bytearray(said), Secret("")).last_words()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", "it did not say why"),
        (b"0.00.011.738 W init: embeddings required\n", "it did not say why"),
        (
            b"0.00.1 I srv    load_model: loading\n0.00.005 E llama_model_load: error loading model: bad tensor\n0.00.006 E srv x: later\n",
            "bad tensor",
        ),
        (b"0.00.5 E srv    load_model: failed to load model, '/m.gguf'\n", "failed to load model, '/m.gguf'"),
        (b"0.00.1 I x: y\nGGML_ASSERT(n > 0) failed\n0.00.2 I x: z\n", "GGML_ASSERT(n > 0) failed"),
        (b"Traceback (most recent call last):\n  File x\nModuleNotFoundError: no\n", "ModuleNotFoundError: no"),
        (b"\xff\xfe\n", "\ufffd\ufffd"),
        (b"x" * 1000, "x" * 300),
    ],
)
def test_last_words(said: bytes, expected: str) -> None:
    assert words(said) == expected


def test_what_it_says_is_kept_within_bounds() -> None:
    from sekisho.engines import processes

    async def listen() -> bytearray:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", "yes a | head -c 100000 >&2; echo end >&2", stderr=asyncio.subprocess.PIPE
        )
        said = bytearray()
        await processes._listen(process, said)
        await process.wait()
        return said

    said = asyncio.run(listen())
    assert len(said) == LAST_WORDS_BYTES
    assert said.endswith(b"end\n")
