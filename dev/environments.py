"""Virtual environments for what the tests run beside the tap: Meltano, targets, PostgreSQL.

`python -m dev.environments NAME` prints the folder of one; it is made if need be.
"""

import fcntl
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".tools"
REQUIREMENTS = ROOT / "dev" / "requirements"
OLDEST = (3, 11)
"""The oldest Python that has the versions in `dev/requirements`; the tap itself runs on 3.10."""


def environment(name: str) -> Path:
    """Return an environment's folder of programs; make it, if it is missing or out of date.

    Args:
        name: Name of a file in `dev/requirements`, without its ending.

    Raises:
        SystemExit: If this Python is too old for it.
        subprocess.CalledProcessError: If something cannot be installed.
    """
    if sys.version_info < OLDEST:
        sys.exit(f"{name} needs Python 3.11 or later: make clean, then make PYTHON=python3.11 …")
    folder = TOOLS / name
    requirements = REQUIREMENTS / f"{name}.txt"
    wanted = requirements.read_text() + sys.version
    made = folder / "made-of.txt"
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not made.exists() or made.read_text() != wanted:
            print(f"Installing {name} …", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True, symlinks=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, "-r", str(requirements)], check=True)
            made.write_text(wanted)
    return folder / "bin"


if __name__ == "__main__":
    print(environment(sys.argv[1]))
