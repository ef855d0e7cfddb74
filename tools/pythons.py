"""Finds a Python of a given version on this machine; called by environments."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .console import BuildError

RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"


def candidates(version: str) -> Iterator[list[str]]:
    """Yield commands that may start Python `version`, the likeliest first."""
    if version == RUNNING:
        yield [getattr(sys, "_base_executable", sys.executable)]
    found = shutil.which(f"python{version}")
    if found:
        yield [found]
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    for folder in sorted((pyenv / "versions").glob(f"{version}*"), key=newest, reverse=True):
        yield [str(folder / "bin" / "python")]
    for folder in sorted(home.glob(f".local/share/uv/python/cpython-{version}.*")):
        yield [str(folder / "bin" / "python3")]
    if shutil.which("py"):
        yield ["py", f"-{version}"]


def newest(folder: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", folder.name)]


def find_python(versions: tuple[str, ...]) -> str | None:
    """Return the path of a Python of one of `versions` that can make environments, or None."""
    for version in sorted(versions, key=lambda version: version != RUNNING):
        for command in candidates(version):
            path = probe(command, version)
            if path:
                return path
    return None


def probe(command: list[str], version: str) -> str | None:
    """Start a candidate (a pyenv shim may name a version that is not there) and ask what it is."""
    try:
        answer = subprocess.run(
            [*command, "-c", PROBE], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = answer.stdout.split("\n")
    return lines[1].strip() if answer.returncode == 0 and lines[0] == version else None


def require_python(versions: tuple[str, ...], purpose: str) -> str:
    path = find_python(versions)
    if path is None:
        names = " or ".join(versions)
        raise BuildError(
            f"{purpose} needs Python {names} with its venv module; this one is "
            f"{sys.version.split()[0]} and no other was found.",
            f"Install Python {versions[0]} (on Debian and Ubuntu also python{versions[0]}-venv), "
            "or put it on PATH.",
        )
    return path
