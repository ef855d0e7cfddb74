"""Making the training data: worker processes in Blender, watched until every sample is there."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..contract.errors import TrainingDataError

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / "presets" / "models" / "tiny"
"The folder that the package `data` of scene scripts lies in; shots need the extension in ROOT."
RUN = (
    "import sys; sys.path[:0] = {folders!r}; from data.worker import main; "
    "sys.exit(main(sys.argv[sys.argv.index('--') + 1:]))"
)
SAMPLES_PER_PROCESS = 250
"Blender gathers memory; a worker that made so many is followed by a fresh one."
MORE_LEFT = 3
"A worker's exit status at its limit; so `worker.py` says it."
Progress = Callable[[int, int], None]


def make_data(
    folder: Path,
    pictures: int = 6000,
    clips: int = 900,
    *,
    shots: int = 0,
    seed: int = 0,
    processes: int | None = None,
    blender: Path | None = None,
    enlarge: float = 1.0,
    progress: Progress = lambda made, total: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Make what is missing of a set; what is there stays, so that a stopped run goes on.

    `blender` is a Blender or a Python with bpy; by default this Python if it has bpy, else the
    Blender on the path. `processes` is the number of cores by default, `enlarge` multiplies the
    pictures' size. Each of `shots` becomes a clip and a picture of splats; they need a Blender
    whose Python has the contract. `progress` hears how many samples are there of how many; `check`
    may raise to end. Workers write into `folder/logs`. Raises TrainingDataError.
    """
    counts = {"pictures": pictures, "clips": clips, "shots": shots}
    scenes = sum(counts.values())
    total = scenes + shots  # each shot is written by Blender, then rendered
    if min(counts.values()) < 0 or total == 0:
        raise TrainingDataError(
            f"Expected numbers of samples to make, but got {counts}.",
            "Ask for at least one of them.",
        )
    command = _command(blender)
    count = processes or os.cpu_count() or 1
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    asked = {"folder": folder, "seed": seed, **counts}
    asked |= {"workers": count, "enlarge": enlarge, "limit": SAMPLES_PER_PROCESS}
    options = [text for name, value in asked.items() for text in (f"--{name}", str(value))]
    workers = [
        _Worker(i, [*command, "--", *options, "--worker", str(i)], folder) for i in range(count)
    ]
    try:
        while any([worker.running() for worker in workers]):  # every one is asked each time
            check()
            progress(_made(folder, counts), total)
            time.sleep(0.5)
    finally:
        for worker in workers:
            worker.stop()
    made = _made(folder, counts)
    progress(made, total)
    if made < scenes:
        raise TrainingDataError(
            f"Expected {scenes} samples, but {made} could be made.",
            f"Read why in {folder / 'logs'}; what was made can be trained on.",
        )
    if shots:
        from .splat_pictures import render_shots  # only here: it starts the renderer

        render_shots(folder, progress=lambda done, of: progress(scenes + done, total), check=check)


@dataclass
class _Worker:
    """One place among the processes: a worker, and its followers while there is work left."""

    number: int
    command: list[str]
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    def running(self) -> bool:
        """Tell whether it has work left; starts the process, and the next one at its limit."""
        status = MORE_LEFT if self.process is None else self.process.poll()
        if status != MORE_LEFT:
            return status is None
        log = self.folder / "logs" / f"worker_{self.number}.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        return True

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def _command(blender: Path | None) -> list[str]:
    """Return the command that runs the scene scripts; the worker's arguments follow `--`."""
    script = RUN.format(folders=[str(SCENES), str(ROOT)])
    found = find_blender(blender)
    if is_python(found):
        return [found, "-c", script]
    return [found, "--background", "--factory-startup", "--python-expr", script]


def blender_command(blender: Path | None, script: Path) -> list[str]:
    """Return the command that runs a bpy script; its arguments follow `--`."""
    found = find_blender(blender)
    if is_python(found):
        return [found, "-P", str(script)]
    return [found, "--background", "--factory-startup", "--python", str(script)]


def find_blender(blender: Path | None) -> str:
    """Return a Blender or a Python with bpy: the one named, this Python, or the one on the path.

    Raises TrainingDataError where there is none.
    """
    if blender is None and importlib.util.find_spec("bpy") is not None:
        blender = Path(sys.executable)
    found = blender if blender is not None else shutil.which("blender")
    if found is None or shutil.which(found) is None:
        raise TrainingDataError(
            f"Expected a Blender, or a Python with bpy, but found {str(found or 'none')!r}.",
            "Name one with --blender.",
        )
    return str(found)


def is_python(found: str) -> bool:
    return "python" in Path(found).name.lower()


def _made(folder: Path, counts: dict[str, int]) -> int:
    """Count what is there of the samples asked for."""
    return sum(
        path.name.isdigit() and int(path.name) < count
        for name, count in counts.items()
        for path in (folder / name).glob("*")
    )
