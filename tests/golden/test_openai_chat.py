"""What the provider gets for what the client sent, to the byte: one readable file per case, in `openai_chat/`.

A file holds the client's body, a line of ten dashes, and the provider's body. The provider's name of the model is what follows the
first slash of the client's. What is not in the right half on purpose is a defect.
"""

from pathlib import Path

import pytest

from sekisho.core.dialects.openai_chat import decode_request
from sekisho.core.model.snapshot import Model, Provider
from sekisho.dataplane.upstream.targets import Target

CASES = sorted((Path(__file__).parent / "openai_chat").glob("*.txt"))
LINE = b"\n----------\n"


def test_there_are_cases() -> None:
    assert len(CASES) >= 10


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_provider_gets_what_the_file_says(path: Path) -> None:
    sent, line, expected = path.read_bytes().partition(LINE)
    assert line, "there is no line of ten dashes"
    envelope = decode_request(sent, 1000)
    provider, _, model = envelope.model.partition("/")
    target = Target(Model(envelope.model, provider, model), Provider(provider, "custom"), None, "", b"", b"")
    got = b"".join(envelope.encode(target.quoted_model))
    assert got.decode() == expected.removesuffix(b"\n").decode()
