"""Makes and mends the environments in .env/ from the pinned files in requirements/.

A stamp in each environment records what it was made from. Whole and current: nothing is done, in
milliseconds. Pins changed: pip brings it up to date. No stamp: it was interrupted, and is made
anew.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .console import BuildError, Console
from .pythons import find_python, require_python

ROOT = Path(__file__).resolve().parents[1]
STAMP = "made-from.json"
NO_SPACE = ("No space left on device", "not enough space on the disk", "Errno 28")
NO_NETWORK = ("Temporary failure", "NewConnectionError", "ConnectTimeout", "ProxyError", "resolve",
              "Read timed out", "SSLError", "Connection refused", "unreachable")  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """One environment: what it is made from, and what it takes."""

    name: str
    pythons: tuple[str, ...]  # versions that all pins have wheels for, the best first
    requirements: tuple[str, ...]  # files in requirements/, complete: nothing beside them comes in
    disk: int  # bytes at the worst moment: downloads and the installed files
    fetch: int = 0  # bytes that come over the network, unless pip has kept them
    project: bool = True  # impetus itself, editable
    alone: tuple[str, ...] = ()  # files whose pins pip is asked for one by one, with what they need
    root: Path = ROOT

    @property
    def folder(self) -> Path:
        return self.root / ".env" / self.name

    @property
    def python(self) -> Path:
        inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        return self.folder / inside


MB = 1_000_000
BUILD = Environment(
    "build", ("3.11", "3.12", "3.13"), ("build.txt",), 60 * MB, 1 * MB, project=False
)
BACKEND = Environment(
    "backend",
    ("3.11", "3.12", "3.13"),
    ("build.txt", "backend.txt", "dev.txt"),
    2700 * MB,
    560 * MB,
    alone=("torch.txt",),
)
BLENDERS = {  # the first whose Python is here is the one that `demo` and `dev` use
    version: Environment(
        f"blender-{version}",
        (python,),
        ("build.txt", f"blender-{version}.txt"),
        1900 * MB,
        400 * MB,
    )
    for version, python in (("5.0.1", "3.11"), ("5.2.3", "3.13"), ("4.2.23", "3.11"))
}


def main_blender() -> Environment:
    """Return the Blender environment that `demo` and `dev` use: the first that can be made here."""
    for environment in BLENDERS.values():
        if environment.python.exists() or find_python(environment.pythons):
            return environment
    return next(iter(BLENDERS.values()))  # ensure() then says what is missing


def ensure(environment: Environment, console: Console) -> Path:
    """Return the environment's Python, after making or mending it if need be."""
    wanted = recipe(environment)
    if stamp_of(environment) == wanted and whole(environment):
        return environment.python
    with one_at_a_time(environment):
        have = stamp_of(environment)
        if have == wanted and whole(environment):  # somebody else just did it
            return environment.python
        require_disk(environment)
        if have is None or not whole(environment) or have["folder"] != wanted["folder"]:
            create(environment, console)
            have = {}
        (environment.folder / STAMP).unlink(missing_ok=True)
        if have.get("requirements") != wanted["requirements"]:
            install_requirements(environment, console)
        if environment.project:
            install_project(environment)
        write_stamp(environment, wanted)
        console.say(f"{environment.name}: ready")
    return environment.python


def recipe(environment: Environment) -> dict[str, str]:
    """What the environment is made from; a difference in any value means work."""
    pins = b"".join(
        (environment.root / "requirements" / name).read_bytes()
        for name in (*environment.requirements, *environment.alone)
    )
    project = b"" if not environment.project else (environment.root / "pyproject.toml").read_bytes()
    return {
        "folder": str(environment.folder),  # an environment does not survive being moved
        "requirements": hashlib.sha256(pins).hexdigest(),
        "project": hashlib.sha256(project).hexdigest(),
    }


def stamp_of(environment: Environment) -> dict[str, str] | None:
    try:
        stamp = json.loads((environment.folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {key: value for key, value in stamp.items() if key != "installed"}


def whole(environment: Environment) -> bool:
    """Say whether Python and every package that was put in are still there."""
    try:
        stamp = json.loads((environment.folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return environment.python.exists() and set(stamp["installed"]) <= set(installed(environment))


def installed(environment: Environment) -> list[str]:
    pattern = "Lib/site-packages" if sys.platform == "win32" else "lib/python3.*/site-packages"
    return sorted(
        entry.name
        for folder in environment.folder.glob(pattern)
        for entry in os.scandir(folder)
        if entry.name.endswith(".dist-info")
    )


def write_stamp(environment: Environment, wanted: dict[str, str]) -> None:
    target = environment.folder / STAMP
    partial = target.with_suffix(".tmp")
    partial.write_text(json.dumps(wanted | {"installed": installed(environment)}, indent=1))
    os.replace(partial, target)


def require_disk(environment: Environment) -> None:
    free = shutil.disk_usage(environment.root).free
    if environment.python.exists():
        return  # mending takes little; a full disk is reported by pip
    if free < environment.disk:
        raise BuildError(
            f"The environment {environment.name} needs about {environment.disk / 1e9:.1f} GB on "
            f"the disk of {environment.root}; {free / 1e9:.1f} GB are free.",
            "Free some space, or move the project to a larger disk.",
        )


@contextmanager
def one_at_a_time(environment: Environment) -> Iterator[None]:
    """Hold a lock so that two commands never fill one environment together."""
    environment.folder.parent.mkdir(exist_ok=True)
    with open(environment.folder.parent / f"{environment.name}.lock", "w") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def create(environment: Environment, console: Console) -> None:
    if environment.folder.exists():
        console.say(f"{environment.name}: not whole, making it anew")
        shutil.rmtree(environment.folder)
    python = require_python(environment.pythons, f"The environment {environment.name}")
    console.say(f"{environment.name}: new environment from {python}")
    command = [python, "-m", "venv", str(environment.folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise BuildError(
            f"Making {environment.folder} failed: {last_line(made.stdout + made.stderr)}",
            "On Debian and Ubuntu the package pythonX.Y-venv may be missing.",
        )


def install_requirements(environment: Environment, console: Console) -> None:
    files = [environment.root / "requirements" / name for name in environment.requirements]
    alone = [environment.root / "requirements" / name for name in environment.alone]
    count = len(pins(files)) + len(pins(alone))
    fetch = f"up to {environment.fetch // MB} MB to fetch"
    console.say(f"{environment.name}: installing {count} pinned packages, {fetch}")
    # --no-deps: the pins are complete, and nothing beside them may come in.
    arguments = ["install", "--no-deps", "--only-binary=:all:", "--progress-bar=off"]
    for file in files:
        arguments += ["-r", str(file)]
    run_pip(environment, arguments, console)
    for pin in pins(alone):
        console.say(f"{environment.name}: installing {pin.partition('==')[0]}")
        run_pip(environment, ["install", "--progress-bar=off", pin], console)
    run_pip(environment, ["check"], None)


def pins(files: list[Path]) -> list[str]:
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if re.match(r"\w", line)]


def install_project(environment: Environment) -> None:
    arguments = [
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--editable",
        str(environment.root),
    ]
    run_pip(environment, arguments, None)


def run_pip(environment: Environment, arguments: list[str], console: Console | None) -> None:
    """Run pip, saying which large downloads it is at; raise BuildError with its reason."""
    command = [str(environment.python), "-m", "pip", "--no-input", "--disable-pip-version-check"]
    lines: list[str] = []
    with subprocess.Popen(
        [*command, *arguments],
        cwd=environment.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            size = re.search(
                r"(?:Downloading|Using cached) (\S+?)-(\S+?)-.*\((\d+)[\d.]* MB\)", line
            )
            if console and size and int(size[3]) >= 20:
                console.say(f"{environment.name}: {size[1]} {size[2]} ({size[3]} MB)")
    if process.returncode != 0:
        raise pip_failure(environment, lines)


def pip_failure(environment: Environment, lines: list[str]) -> BuildError:
    log = environment.folder.parent / f"{environment.name}.log"
    log.write_text("\n".join(lines), encoding="utf-8")
    text = "\n".join(lines)
    name = environment.name
    if any(sign in text for sign in NO_SPACE):
        return BuildError(f"The disk is full while installing {name}.", "Free some space.")
    if any(sign in text for sign in NO_NETWORK):
        return BuildError(
            f"The package index cannot be reached, which {name} needs once.",
            f"Check the network and pip's settings, then run this again. Details: {log}",
        )
    errors = [line for line in lines if line.startswith("ERROR")] or [last_line(text)]
    return BuildError(f"pip could not install {name}: {errors[-1]}", f"Details: {log}")


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
