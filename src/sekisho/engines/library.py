"""The models folder: which files are models, under which names, and why the others are not.

Names come from the folder's own listing and are never joined from anywhere else, so nothing outside can be named. A link counts as
the file it leads to: the home belongs to its owner alone, and models are large enough to be kept elsewhere.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sekisho.engines import gguf

SUFFIX: Final = ".gguf"
MOST_FILES: Final = 1000

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:@+~()\[\]=-]{0,198}[A-Za-z0-9._:@+~()\[\]=-])?")
"""What can stand in a model's name in a header, a URL and a list with commas without being quoted."""
_PART: Final = re.compile(r"-(\d{5})-of-\d{5}$")
_EMBEDDERS: Final = frozenset(
    ("bert", "modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "gemma-embedding", "t5encoder")
)
"""Architectures that only embed."""


class Signature(msgspec.Struct, frozen=True):
    """By what a file is taken for the same as before."""

    device: int
    inode: int
    size: int
    modified_ns: int


class File(msgspec.Struct, frozen=True):
    """A file that can be served."""

    model: str
    """The file's name without `.gguf`."""
    path: Path
    signature: Signature
    facts: gguf.Facts

    @property
    def embeds_only(self) -> bool:
        return self.facts.architecture in _EMBEDDERS


class Ignored(msgspec.Struct, frozen=True):
    """A file that cannot be served, and why, in words for people."""

    name: str
    reason: str


class Library:
    """Reads the folder; heads are read again only where a file changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, File] = {}
        """By model name."""
        self.ignored: tuple[Ignored, ...] = ()
        self._read: dict[str, tuple[Signature, File | Ignored]] = {}
        self._seen: dict[str, Signature] = {}

    def look(self, *, patient: bool) -> bool:
        """Read the folder; returns whether the files are others than before. Blocks for as long as the disk takes.

        `patient` takes a file that is new or changed only once it was the same in two looks, for it may still be on its way in.
        """
        before, seen, files, ignored = self._seen, dict(self._signatures()), {}, []
        for name, signature in seen.items():
            found: File | Ignored | None
            if isinstance(signature, Ignored):
                found = signature
            elif patient and before.get(name) != signature:
                found = self._read[name][1] if name in self._read else None  # as it was, until it stands still
            else:
                found = self._file(name, signature)
            if isinstance(found, File):
                files[found.model] = found
            elif found is not None:
                ignored.append(found)
        self._seen = {name: signature for name, signature in seen.items() if isinstance(signature, Signature)}
        self._read = {name: kept for name, kept in self._read.items() if name in self._seen}
        changed = files != self.files
        self.files, self.ignored = files, tuple(ignored)
        return changed

    def _signatures(self) -> Iterator[tuple[str, Signature | Ignored]]:
        """The GGUF files of the folder, in order of their names."""
        try:
            paths = sorted(path for path in self.folder.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith("."))
        except OSError:
            return
        for path in paths[:MOST_FILES]:
            shown = path.name.encode("utf-8", "backslashreplace").decode()
            if (reason := _refusal(path.name.removesuffix(SUFFIX))) is not None:
                if reason:
                    yield path.name, Ignored(shown, reason)
                continue
            try:
                status = path.stat()
            except OSError as error:
                yield path.name, Ignored(shown, f"it cannot be read: {error.strerror}")
                continue
            if stat.S_ISREG(status.st_mode):
                yield path.name, Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            else:
                yield path.name, Ignored(shown, "it is no file")

    def _file(self, name: str, signature: Signature) -> File | Ignored:
        known = self._read.get(name)
        if known is not None and known[0] == signature:
            return known[1]
        found: File | Ignored
        try:
            facts = gguf.read(self.folder / name)
            if facts.architecture == "clip":
                found = Ignored(name, "it is the image part of another model, which cannot answer alone")
            else:
                found = File(name.removesuffix(SUFFIX), self.folder / name, signature, facts)
        except gguf.NotGGUFError as error:
            found = Ignored(name, str(error))
        self._read[name] = (signature, found)
        return found


def _refusal(model: str) -> str | None:
    """Why a name is not served; empty where that needs no word; None where it is."""
    if not _NAME.fullmatch(model):
        return "its name cannot be a model's; use letters, digits and . _ - + @ : ( ) [ ] = ~ with blanks only inside"
    part = _PART.search(model)
    return "" if part and part[1] != "00001" else None
