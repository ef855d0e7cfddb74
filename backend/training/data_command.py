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

SCENES = Path(__file__).resolve().parents[2] / "presets" / "models" / "tiny"
"The folder that the package `data` of scene scripts lies in."
RUN = (
    "import sys; sys.path.insert(0, {folder!r}); from data.worker import main; "
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
    pictures' size. `progress` hears how many of all samples are there; `check` may raise to end.
    Workers write into `folder/logs`. Raises TrainingDataError.
    """
    if pictures < 0 or clips < 0 or pictures + clips == 0:
        raise TrainingDataError(
            f"Expected a number of pictures and clips, but got {pictures} and {clips}.",
            "Ask for at least one of them.",
        )
    command = _command(blender)
    count = processes or os.cpu_count() or 1
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    asked = {"folder": folder, "pictures": pictures, "clips": clips, "seed": seed}
    asked |= {"workers": count, "enlarge": enlarge, "limit": SAMPLES_PER_PROCESS}
    options = [text for name, value in asked.items() for text in (f"--{name}", str(value))]
    workers = [
        _Worker(i, [*command, "--", *options, "--worker", str(i)], folder) for i in range(count)
    ]
    try:
        while any([worker.running() for worker in workers]):  # every one is asked each time
            check()
            progress(_made(folder, pictures, clips), pictures + clips)
            time.sleep(0.5)
    finally:
        for worker in workers:
            worker.stop()
    made = _made(folder, pictures, clips)
    progress(made, pictures + clips)
    if made < pictures + clips:
        raise TrainingDataError(
            f"Expected {pictures + clips} pictures and clips, but {made} could be made.",
            f"Read why in {folder / 'logs'}; what was made can be trained on.",
        )


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
    script = RUN.format(folder=str(SCENES))
    if blender is None and importlib.util.find_spec("bpy") is not None:
        blender = Path(sys.executable)
    found = blender if blender is not None else shutil.which("blender")
    if found is None or shutil.which(found) is None:
        raise TrainingDataError(
            f"Expected a Blender, or a Python with bpy, but found {str(found or 'none')!r}.",
            "Name one with --blender.",
        )
    if "python" in Path(found).name.lower():
        return [str(found), "-c", script]
    return [str(found), "--background", "--factory-startup", "--python-expr", script]


def _samples(folder: Path) -> list[Path]:
    return [*(folder / "pictures").glob("*[0-9]"), *(folder / "clips").glob("*[0-9]")]


def _made(folder: Path, pictures: int, clips: int) -> int:
    """Count what is there of the samples asked for."""
    asked = {"pictures": pictures, "clips": clips}
    return sum(
        path.name.isdigit() and int(path.name) < asked[path.parent.name]
        for path in _samples(folder)
    )
