"""Makes the first take from nothing and says where it lies; `build.py demo`."""

import subprocess
import time
from pathlib import Path

from .console import BuildError, Console
from .environments import BACKEND, ROOT, ensure, main_blender

SCRIPT = ROOT / "presets" / "shots" / "first_take.py"
FRAMES = 48


def demo(out: Path, console: Console) -> None:
    """Build the scene in Blender's Python, render it in the backend, check what came of it."""
    backend = ensure(BACKEND, console)
    blender = ensure(main_blender(), console)
    console.say("making the first take")
    started = time.monotonic()
    command = [str(blender), "-P", str(SCRIPT), "--out", str(out), "--backend-python", str(backend)]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status != 0:
        raise BuildError(
            f"The demo's script ended with {status} after {time.monotonic() - started:.0f} s.",
            "Its own words are above; `python3 build.py test` narrows it down.",
        )
    seconds = time.monotonic() - started
    found = results(out)
    console.say(f"done: {FRAMES} frames in {seconds:.0f} s after set-up")
    for what, path in found.items():
        console.plain(f"  {what:9} {path}")


def results(out: Path) -> dict[str, Path]:
    """Return where each thing lies; raise BuildError naming the first that is not there."""
    takes = sorted(out.rglob("take.json"), key=lambda path: path.stat().st_mtime)
    if not takes:
        raise BuildError(f"No take was found under {out}.", "The demo's own words are above.")
    take = takes[-1].parent
    for pattern in ("beauty/*.png", "passes/*.exr"):
        files = [path for path in take.glob(pattern) if path.stat().st_size > 0]
        if len(files) != FRAMES:
            raise BuildError(f"{take} has {len(files)} of {FRAMES} files {pattern}.")
    found = {"scene": out / "first_take.blend", "take": take}
    found |= {"video": take / "preview.mp4", "contact": take / "contact_sheet.png"}
    for what, path in found.items():
        if not path.exists():
            raise BuildError(f"The demo left no {what} at {path}.")
    return found
