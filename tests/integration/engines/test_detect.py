"""Detection against llama.cpp's real server, open and locked."""

import asyncio

from tests.support.llama import Llama
from tests.support.product import free_ports

from sekisho.engines.detect import Found, detect


def test_llama_cpp_is_found_with_its_models_or_as_locked(alpha: Llama, beta: Llama) -> None:
    found = asyncio.run(detect([*free_ports(1), alpha.port, beta.port]))
    assert found == (Found("llamacpp", alpha.base_url, locked=True), Found("llamacpp", beta.base_url, ("beta",)))
