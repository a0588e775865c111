"""Virtual environments for what the tests run beside the tap: Meltano, targets, PostgreSQL.

`python -m dev.environments NAME` prints the folder of one; it is made if need be.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "dev" / "requirements"


def environment(name: str) -> Path:
    """Return an environment's folder of programs; make it first, if it is not there as it should.

    Args:
        name: Name of a file in `dev/requirements`, without its ending.
    """
    folder = ROOT / ".tools" / name
    wanted = (REQUIREMENTS / f"{name}.txt").read_text() + sys.version
    made = folder / "made-of.txt"
    if not made.exists() or made.read_text() != wanted:
        print(f"Installing {name} …", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True, symlinks=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS / f"{name}.txt")], check=True)
        made.write_text(wanted)
    return folder / "bin"


if __name__ == "__main__":
    print(environment(sys.argv[1]))
