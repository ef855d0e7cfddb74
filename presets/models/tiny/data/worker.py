"""A worker process: makes its share of the pictures and clips, skipping what is there already.

Runs in a Python with bpy or inside `blender --background`; several of them share one folder.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from .samples import write_sample
from .scenes import Scene, build

MORE_LEFT = 3
"Exit status of a worker that reached its limit: another one is to go on."
SETS = {"pictures": 0, "clips": 500_000, "shots": 750_000}
"The sets, and where the seeds of each begin."
SEEDS = 1_000_000
"Seeds of one run; a whole multiple of what decides which are held out."


def jobs(**counts: int) -> list[tuple[str, int]]:
    """Return the samples in the order of making: each set spread evenly over the whole."""
    order = [((i + 0.5) / count, name, i) for name, count in counts.items() for i in range(count)]
    return [(name, number) for _, name, number in sorted(order)]


def main(argv: list[str]) -> int:
    """Make samples until all are there or `--limit` were made; print one line for each.

    Returns 0 when all are there, MORE_LEFT at the limit, and 1 if a scene could not be made; the
    others are made all the same.
    """
    arguments = _parser().parse_args(argv)
    counts = {name: getattr(arguments, name) for name in SETS}
    made = failed = 0
    with tempfile.TemporaryDirectory(prefix="impetus-") as scratch:
        for place, (name, number) in enumerate(jobs(**counts)):
            folder = arguments.folder / name / f"{number:06d}"
            if place % arguments.workers != arguments.worker or folder.exists():
                continue
            started = time.monotonic()
            seed = arguments.seed * SEEDS + SETS[name] + number
            try:
                scene = _make(name, seed, folder, Path(scratch) / "passes.exr", arguments)
            except (RuntimeError, ValueError) as error:  # Blender's and bmesh's: this scene only
                failed += 1
                _say(f"{name} {number:06d} failed: {error}")
                continue
            taken = time.monotonic() - started
            _say(f"{name} {number:06d} {taken:.2f} s {scene.stage.kind}: {scene.caption}")
            made += 1
            if made >= arguments.limit:
                return MORE_LEFT
    return 1 if failed else 0


def _make(name: str, seed: int, folder: Path, exr: Path, arguments: argparse.Namespace) -> Scene:
    if name == "shots":
        # Only for shots: this needs the extension and its contract beside the scenes.
        from .shots import write_shot_of

        scene = build(seed, clip=True, enlarge=arguments.enlarge, compact=True)
        write_shot_of(scene, seed, folder)
        return scene
    scene = build(seed, clip=name == "clips", enlarge=arguments.enlarge)
    write_sample(scene, seed, folder, exr, samples=arguments.samples, clip=name == "clips")
    return scene


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--clips", type=int, default=900)
    parser.add_argument("--shots", type=int, default=0, help="shots for the backend to render")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", type=int, default=0, help="which of the workers this one is")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--limit", type=int, default=300, help="samples after which to end")
    parser.add_argument("--enlarge", type=float, default=1.0, help="factor of the pictures' size")
    parser.add_argument("--samples", type=int, default=6, help="rays per pixel")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
