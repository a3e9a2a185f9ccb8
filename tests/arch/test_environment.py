"""A `.pth` file runs at every start of Python, before any code of ours: only those that we know may lie in the environment."""

import sysconfig
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).resolve().parents[2] / "src"

KNOWN: Final = {
    "_sekisho.pth": str(SOURCES),
    "distutils-precedence.pth": (
        "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
        "enabled and __import__('_distutils_hack').add_shim()"
    ),
}
"""The whole text of each: a known name with other contents is unknown."""


def unknown_pth(directory: Path) -> list[str]:
    """Names of the `.pth` files in a directory whose text is not the one that we know."""
    return sorted(path.name for path in directory.glob("*.pth") if path.read_text().strip().rstrip("; ") != KNOWN.get(path.name))


def test_the_environment_starts_nothing_unknown() -> None:
    found = {place: unknown_pth(Path(sysconfig.get_path(place))) for place in ("purelib", "platlib")}
    assert found == {"purelib": [], "platlib": []}


def test_a_planted_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "_sekisho.pth").write_text(f"{SOURCES}\n")
    assert unknown_pth(tmp_path) == []
    (tmp_path / "helper_init.pth").write_text("import helper\n")
    (tmp_path / "_sekisho.pth").write_text(f"{SOURCES}\nimport os\n")
    assert unknown_pth(tmp_path) == ["_sekisho.pth", "helper_init.pth"]
