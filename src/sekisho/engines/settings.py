"""What can be set about local engines."""

from typing import Annotated

import msgspec


class Engines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How engines on this machine are found and run. All but `detect` is about the built-in engine."""

    detect: bool = True
    """Whether a first start looks for engines on the loopback ports that they are known for."""
    context_tokens: Annotated[int, msgspec.Meta(ge=256, le=16_777_216)] = 16_384
    """Room for the running calls of one model together; a model that was trained for less gets less. A 7B model needs about 2 GB
    for 16,384 tokens."""
    slots: Annotated[int, msgspec.Meta(ge=1, le=256)] = 4
    """Calls that one model answers at once; the others wait in line."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=1024)] | None = None
    """Threads that compute for one model; None leaves the choice to llama.cpp, which takes the physical cores."""
    start_timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 120.0
    """How long a model may take to load; a large one on a slow disk needs minutes."""
    watch_interval_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 1.0
    """How often the models folder is looked at. A new file is listed once it was the same in two looks."""
