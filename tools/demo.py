"""Makes the first takes from nothing and says where they lie; `build.py demo`."""

import json
import subprocess
import time
from pathlib import Path

from .console import BuildError, Console
from .environments import BACKEND, ROOT, ensure, main_blender

SCRIPT = ROOT / "presets" / "shots" / "first_take.py"
MODEL = ROOT / "presets" / "models" / "tiny"
FRAMES = 48
NOT_DIFFUSED = 3
"What the script ends with when the plain take is there and the diffused one is not."


def demo(out: Path, console: Console, *, diffused: bool) -> None:
    """Build the scene in Blender's Python, render it in the backend, check the frames.

    Also make a diffused take of it by the model in the box, where `diffused`.
    """
    backend = ensure(BACKEND, console)
    blender = ensure(main_blender(), console)
    console.say("making the first take")
    started = time.monotonic()
    command = [str(blender), "-P", str(SCRIPT)]
    command += ["--out", str(out), "--backend-python", str(backend)]
    if diffused:
        if not (MODEL / "model_index.json").is_file():
            raise BuildError(f"Expected a model in {MODEL}, there is none.")
        command.append("--diffused")
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status not in (0, NOT_DIFFUSED):
        raise BuildError(
            f"The demo's script ended with {status} after {time.monotonic() - started:.0f} s.",
            "Its own words are above; `python3 build.py test` narrows it down.",
        )
    seconds = time.monotonic() - started
    found = results(out, diffused=diffused and status == 0)
    console.say(f"done: {FRAMES} frames in {seconds:.0f} s after set-up")
    for what, path in found.items():
        console.plain(f"  {what:16} {path}")
    if status == NOT_DIFFUSED:
        raise BuildError(
            "The plain take is there, the diffused one is not.",
            "Why is said above; `impetus doctor` tells which models there are.",
        )


def results(out: Path, *, diffused: bool) -> dict[str, Path]:
    """Return where each thing lies; raise BuildError naming the first that is not there."""
    takes = newest_takes(out)
    if False not in takes:
        raise BuildError(f"No take was found under {out}.", "The demo's own words are above.")
    found = {"scene": out / "first_take.blend", **results_of(takes[False])}
    if diffused:
        if True not in takes:
            raise BuildError(f"No diffused take was found under {out}.")
        found |= {f"diffused {what}": p for what, p in results_of(takes[True]).items()}
    for what, path in found.items():
        if not path.exists():
            raise BuildError(f"The demo left no {what} at {path}.")
    return found


def newest_takes(out: Path) -> dict[bool, Path]:
    """Return the newest folder of a plain take (False) and of a diffused one (True)."""
    newest = {}
    for record in sorted(out.rglob("take.json"), key=lambda path: path.stat().st_mtime):
        method = json.loads(record.read_text(encoding="utf-8"))["settings"]["method"]["type"]
        newest[method != "none"] = record.parent
    return newest


def results_of(take: Path) -> dict[str, Path]:
    """Return where a take's things lie; raise BuildError when frames are missing."""
    for pattern in ("beauty/*.png", "passes/*.exr"):
        files = [path for path in take.glob(pattern) if path.stat().st_size > 0]
        if len(files) != FRAMES:
            raise BuildError(f"{take} has {len(files)} of {FRAMES} files {pattern}.")
    return {"take": take, "video": take / "preview.mp4", "contact": take / "contact_sheet.png"}
