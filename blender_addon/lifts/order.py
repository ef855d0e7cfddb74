"""What an artist says of a picture, and the backend's work on it; runs on the I/O thread."""

import os
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ..jobs.orders import Finished, Notice, Stepped
from ..jobs.watched import watch

TEXT = "Make a body"


@dataclass(frozen=True)
class Wanted:
    """A picture, where its body goes, and options of `impetus lift` as they are typed."""

    picture: Path
    folder: Path
    options: tuple[str, ...]
    camera: bool
    role: str


def run(key: str, wanted: Wanted, python: Path) -> Generator[Notice, None, None]:
    """Lift the picture; the last notice carries what was wanted. Raises ChildError."""
    command = (
        str(python), "-P", "-m", "impetus.backend", "lift", str(wanted.picture), "--out",
        str(wanted.folder), *wanted.options,
    )  # fmt: skip
    # What Blender set for its own Python is not for the backend's.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONUNBUFFERED"] = "1"
    text, factor = TEXT, 0.0
    for line in watch(command, wanted.folder / "lift.log", environment, "The lift"):
        if found := re.match(r"refine (\d+) %(?:, (.*))?", line):
            factor = int(found[1]) / 100
            text = f"Refine: {found[2]}" if found[2] else "Refine"
        yield Stepped(key, text, factor)
    yield Finished(key, wanted)


def free_folder(parent: Path, name: str) -> Path:
    """Return a folder of this name that is not there yet: no body is overwritten."""
    folder, number = parent / name, 1
    while folder.exists():
        folder, number = parent / f"{name}.{number:03}", number + 1
    return folder
