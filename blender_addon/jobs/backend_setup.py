"""Makes the backend's own environment from the wheel inside the extension. Knows nothing of bpy."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from impetus.backend.contract.errors import ImpetusError

from .orders import Finished, Notice, Stepped
from .watched import watch

KEY = "setup"
PYTHONS = ((3, 12), (3, 11), (3, 13))
"What Taichi runs on, the most tried first."
DOWNLOAD_MEGABYTES = 155
"What pip fetches for the pinned packages on Linux; other systems differ by a few."
DISK_MEGABYTES = 600
DIFFUSION_MEGABYTES = 3000 if sys.platform == "linux" else 400
"What pip fetches for diffusion, torch above all: on Linux, it brings what a GPU needs."
DIFFUSION_DISK_MEGABYTES = 8000 if sys.platform == "linux" else 2000


class SetupError(ImpetusError):
    code = "SETUP"


@dataclass(frozen=True)
class Plan:
    """From what, and to where."""

    base: Path
    "The Python that the environment is made from."
    wheel: Path
    pins: Path | None
    folder: Path


def backend_python(folder: Path) -> Path:
    """Return where the environment in `folder` has its Python."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_ready(folder: Path, wheel: Path | None) -> bool:
    """Return whether `folder` holds a finished environment, of this wheel where there is one."""
    mark = folder / "ready.txt"
    if not mark.is_file() or not backend_python(folder).exists():
        return False
    return wheel is None or mark.read_text("utf-8").strip() == wheel.name


def can_diffuse(folder: Path) -> bool:
    """Return whether `folder` holds a finished environment with what diffusion needs."""
    return is_ready(folder, None) and (folder / "diffusion.txt").is_file()


def plan(folder: Path, extension: Path, disk_megabytes: int = DISK_MEGABYTES) -> Plan:
    """Return what setting up would do. Raises SetupError with a clear word where it cannot."""
    wheels = sorted((extension / "wheels").glob("impetus-*.whl"))
    if not wheels:
        raise SetupError(
            "Expected the backend's wheel inside the extension, got none.",
            "Install the extension from its zip, or name a Python in the preferences.",
        )
    room = shutil.disk_usage(_existing(folder)).free >> 20
    if room < disk_megabytes:
        raise SetupError(
            f"Expected {disk_megabytes} MB of free disk for the backend, got {room} MB.",
            "Free some space.",
        )
    pins = extension / "requirements.txt"
    return Plan(find_python(), wheels[-1], pins if pins.is_file() else None, folder)


def find_python() -> Path:
    """Return Blender's own Python where it fits, else one found on the machine."""
    candidates = [Path(sys.executable)] if sys.version_info[:2] in PYTHONS else []
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        candidates += [Path(found)] if found else []
    candidates += [Path(found) for name in ("python3", "python") if (found := shutil.which(name))]
    for candidate in candidates:
        if _fits(candidate):
            return candidate
    own = ".".join(map(str, sys.version_info[:2]))
    raise SetupError(
        f"Expected Python 3.11, 3.12 or 3.13, got {own} in Blender and no other on this machine.",
        "Install Python 3.12 from your system or python.org, and try again.",
    )


def set_up(folder: Path, extension: Path) -> Generator[Notice, None, None]:
    """Make the environment in `folder`; closing the generator removes what was begun.

    One that could diffuse can do so again.
    """
    yield Stepped(KEY, "Look for Python", 0.0)
    could_diffuse = can_diffuse(folder)
    what = plan(folder, extension)
    shutil.rmtree(what.folder, ignore_errors=True)
    log = what.folder.with_name(what.folder.name + ".log")
    try:
        yield Stepped(KEY, "Make environment", 0.0)
        venv: list[str | Path] = [what.base, "-I", "-m", "venv", what.folder]
        for _ in watch(venv, log, _environment(), "Making the environment"):
            yield Stepped(KEY, "Make environment", 0.0)
        yield from _install(what, "backend", DOWNLOAD_MEGABYTES, log)
        (what.folder / "ready.txt").write_text(what.wheel.name, "utf-8")
    except BaseException:
        shutil.rmtree(what.folder, ignore_errors=True)
        raise
    if could_diffuse:
        yield from set_up_diffusion(folder, extension)
    else:
        yield Finished(KEY)


def set_up_diffusion(folder: Path, extension: Path) -> Generator[Notice, None, None]:
    """Add what diffusion needs to the finished environment in `folder`."""
    yield Stepped(KEY, "Look up packages", 0.0)
    what = plan(folder, extension, DIFFUSION_DISK_MEGABYTES)
    log = what.folder.with_name(what.folder.name + ".log")
    yield from _install(what, "diffusion", DIFFUSION_MEGABYTES, log)
    (what.folder / "diffusion.txt").write_text(what.wheel.name, "utf-8")
    yield Finished(KEY)


def _install(what: Plan, extra: str, megabytes: int, log: Path) -> Generator[Notice, None, None]:
    """Let pip say how far it is: the sizes of what it fetches, then that it installs."""
    pip: list[str | Path] = [
        backend_python(what.folder), "-I", "-m", "pip", "install", "--no-input", "--no-color",
        "--disable-pip-version-check", "--only-binary=:all:", "--progress-bar=off",
        f"{what.wheel}[{extra}]",
    ]  # fmt: skip
    if what.pins:
        pip += ["--constraint", str(what.pins)]
    fetched, text, factor = 0.0, "Look up packages", 0.0
    for line in watch(pip, log, _environment(), "Installing the backend"):
        if found := re.search(r"Downloading (\S+?)-\S+ \(([\d.]+) ([kM])B\)", line):
            text = f"Download {found[1].replace('_', ' ')}"
            # pip names a package as its download begins: what is counted is what went before.
            factor = min(fetched / megabytes, 1.0) * 0.8
            fetched += float(found[2]) / (1 if found[3] == "M" else 1000)
        elif line.startswith("Installing collected"):
            text, factor = "Install packages", 0.85
        yield Stepped(KEY, text, factor)


def _fits(python: Path) -> bool:
    """Ask a Python whether it is one that the backend runs on, and can make environments."""
    words = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", words], capture_output=True, text=True, timeout=20,
            check=False, env=_environment(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() in {f"{major}.{minor}" for major, minor in PYTHONS}


def _environment() -> dict[str, str]:
    """Blender's own variables would lead another Python astray."""
    return {k: v for k, v in os.environ.items() if k not in {"PYTHONHOME", "PYTHONPATH"}}


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())
