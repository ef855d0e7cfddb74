"""Format, lint and types; `build.py check`, and the links that the type checker needs."""

import os
import subprocess
from pathlib import Path

from .console import Console
from .environments import BACKEND, ROOT, ensure

PACKAGES = ("backend", "kernels", "presets")


def link_packages(root: Path = ROOT) -> None:
    """Make .dev/impetus/<package> links, since no type checker follows the editable install."""
    folder = root / ".dev" / "impetus"
    folder.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        link, target = folder / name, root / name
        if link.exists() and os.path.samefile(link, target):
            continue
        link.unlink(missing_ok=True)  # a link whose target moved away
        if os.name == "nt":  # a junction needs no rights, a symbolic link does
            command = ["cmd", "/c", "mklink", "/J", str(link), str(target)]
            subprocess.run(command, check=True, capture_output=True)
        else:
            link.symlink_to(Path("..", "..", name), target_is_directory=True)


def check_code(console: Console) -> list[str]:
    """Run every check, also after one fails; return the names of those that failed."""
    python = str(ensure(BACKEND, console))
    link_packages()
    checks = {
        "format": ["ruff", "format", "--check", "."],
        "lint": ["ruff", "check", "."],
        "types": ["mypy"],
        "types of build.py": ["mypy", "build.py"],
    }
    failed = []
    for name, command in checks.items():
        console.say(f"{name}: {' '.join(command)}")
        status = subprocess.run([python, "-P", "-m", *command], cwd=ROOT, check=False).returncode
        if status != 0:
            failed.append(name)
    return failed
