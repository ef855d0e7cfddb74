"""Makes the example scenes' takes; `build.py examples`."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from .console import BuildError, Console
from .demo import newest_takes
from .environments import BACKEND, ROOT, ensure, main_blender

SHOTS = ROOT / "presets" / "shots"


def names() -> list[str]:
    """Return the example scenes' names."""
    return sorted(path.stem for path in (SHOTS / "examples").glob("[a-z]*.py"))


def examples(wanted: Sequence[str], out: Path, console: Console) -> None:
    """Build the scenes in Blender's Python, have the backend make them, say where they lie."""
    known = names()
    if unknown := [name for name in wanted if name not in known]:
        raise BuildError(
            f"Expected names of example scenes, got {unknown[0]}.", f"There are {', '.join(known)}."
        )
    backend = ensure(BACKEND, console)
    blender = ensure(main_blender(), console)
    command = [str(blender), "-P", str(SHOTS / "example.py"), *(wanted or known)]
    command += ["--out", str(out), "--backend-python", str(backend)]
    if status := subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise BuildError(f"The examples' script ended with {status}.", "Its own words are above.")
    for name in wanted or known:
        console.plain(f"  {name:16} {newest_takes(out / name)[False] / 'preview.mp4'}")
