"""How fast a machine was with its last takes, read from their folders; and what that foretells."""

import statistics
from pathlib import Path
from typing import Any

import msgspec

from ..simulation_record import RECORD, SimulationRecord

RIGID = "rigid"


class RenderPace(msgspec.Struct, frozen=True):
    """Seconds of a take's stages, and what they were spent on."""

    prepare: float
    "s, once."
    frame: float
    "s for each frame that is posed, rendered and written."
    splats: int
    pixels: int


class Pace(msgspec.Struct, frozen=True):
    """A machine's measured speed."""

    steps: dict[str, float] = {}
    "Particle-substeps a second by what the bodies were made of; body-substeps where all is rigid."
    newest: str = ""
    "The key that was measured last."
    render: RenderPace | None = None

    def over(self, older: "Pace") -> "Pace":
        """Return both, this one where they speak of the same."""
        newest = self.newest or older.newest
        return Pace(older.steps | self.steps, newest, self.render or older.render)

    def steps_a_second(self, materials: str) -> float | None:
        """Return the speed with these materials, else the last one measured, else None.

        Bodies that deform tell nothing of rigid ones, nor the other way round.
        """
        if materials in self.steps:
            return self.steps[materials]
        if (materials == RIGID) != (self.newest == RIGID):
            return None
        return self.steps.get(self.newest)

    def render_seconds(self, frames: int, splats: int, pixels: int) -> float | None:
        """Return how long it takes to prepare, pose, render and write so many frames."""
        if self.render is None:
            return None
        more_splats = splats / max(self.render.splats, 1)
        more = (more_splats + pixels / max(self.render.pixels, 1)) / 2
        return self.render.prepare * more_splats + frames * self.render.frame * more


def materials_key(materials: tuple[str, ...]) -> str:
    """Name what moves: the kinds of matter that deforms, or rigid where there is none."""
    kinds = {kind for kind in materials if kind}
    return "+".join(sorted(kinds - {RIGID})) or RIGID


def read_pace(folder: Path) -> Pace:
    """Return what a finished take tells of its machine; nothing where its records do not."""
    try:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=SimulationRecord)
        steps = _steps(record)
    except (OSError, msgspec.MsgspecError):
        steps = {}
    return Pace(steps, next(iter(steps), ""), _render(folder))


def _steps(record: SimulationRecord) -> dict[str, float]:
    key = materials_key(record.materials)
    speeds = []
    for frame in record.frames:
        units = len(frame.bodies) if key == RIGID else frame.particles
        if frame.substeps and units and frame.seconds > 0:
            speeds.append(units * frame.substeps / frame.seconds)
    # the median: the first frames compile, and others may have shared the machine
    return {key: statistics.median(speeds)} if speeds else {}


def _render(folder: Path) -> RenderPace | None:
    try:
        told: dict[str, Any] = msgspec.json.decode((folder / "take.json").read_bytes())
        seconds, splats = told["seconds"], told["settings"]["render"]["splats"]
        each = sum(seconds.get(stage, 0.0) for stage in ("splat", "render", "deliver"))
        count, pixels = len(told["frames"]), told["width"] * told["height"]
        if not seconds.get("render") or not count:
            return None
        return RenderPace(float(seconds.get("prepare", 0.0)), each / count, int(splats), pixels)
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        return None
