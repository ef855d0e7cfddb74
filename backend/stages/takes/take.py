"""The take: one result's folder, what is whole in it, and the record that tells how it was made."""

import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import msgspec

from ...contract.air_check import object_names
from ...contract.errors import ShotError
from ...contract.messages import FrameFile, Stage
from ...contract.shot import FrameRange, Shot
from ...contract.shot_check import shot_hash
from ...contract.simulation_record import SimulationRecord
from ...contract.take_files import frame_path
from .landing import clear_temporary, land_bytes

RECORD = "take.json"
PREVIEW = "preview.mp4"
CONTACT_SHEET = "contact_sheet.png"
TOLD_PACKAGES = (
    "impetus", "taichi", "gsplat", "numpy", "OpenEXR", "pillow", "av", "torch", "diffusers",
    "transformers",
)  # fmt: skip
RECORD_SECONDS = 0.5
"The record is rewritten at most this often while frames land; the files themselves are the truth."

FrameState = Literal["missing", "whole"]


class TakeRecord(msgspec.Struct, frozen=True):
    """What take.json holds. `bodies` are what is seen, in the order of the object index from 1."""

    format: int
    name: str
    shot_hash: str
    first: int
    last: int
    fps: float
    width: int
    height: int
    bodies: tuple[str, ...]
    settings: dict[str, Any]
    versions: dict[str, str]
    device: str
    seconds: dict[Stage, float]
    warnings: tuple[str, ...]
    frames: dict[str, FrameState]


class Take:
    """A take's folder, opened to grow it; never rewritten by another shot.

    Raises ShotError when the folder holds a take of another shot.
    """

    def __init__(self, folder: Path, shot: Shot) -> None:
        self.folder = folder
        self._shot = shot
        self._hash = shot_hash(shot)
        self.seconds: dict[Stage, float] = {}
        self.warnings: tuple[str, ...] = ()
        self.device = ""
        self.tell_simulation: Callable[[], SimulationRecord | None] = lambda: None
        "Says what is known of the simulation that frames came from, where one was at work."
        self._recorded = 0.0
        for subfolder in (folder / "beauty", folder / "passes"):
            subfolder.mkdir(parents=True, exist_ok=True)
            clear_temporary(subfolder)
        clear_temporary(folder)
        if (folder / RECORD).is_file():
            self._continue(read_record(folder))

    def path(self, file: FrameFile, frame: int) -> Path:
        """Return where a frame's file is or will be, numbered as Blender numbers it."""
        return frame_path(self.folder, file, frame)

    def is_whole(self, frame: int) -> bool:
        """Say whether both files are there; each landed whole or not at all."""
        files: tuple[FrameFile, ...] = ("passes", "beauty")
        return all(self.path(file, frame).is_file() for file in files)

    @property
    def numbers(self) -> range:
        """The frames that the take will have."""
        return self._shot.frames.numbers

    def record(self, *, now: bool = True) -> None:
        """Rewrite take.json; unless `now`, only where the last time is a while ago."""
        if not now and time.monotonic() - self._recorded < RECORD_SECONDS:
            return
        text = msgspec.json.format(msgspec.json.encode(self._describe()), indent=2)
        land_bytes(self.folder / RECORD, text)
        self._recorded = time.monotonic()

    def _continue(self, earlier: TakeRecord) -> None:
        if earlier.shot_hash != self._hash:
            raise ShotError(
                self._shot.name,
                f"expected an empty folder or a take of this shot in {self.folder}, "
                f"found a take of {earlier.name!r} as it was before.",
                "Choose another folder; a take is never overwritten.",
            )
        self.seconds = dict(earlier.seconds)
        self.warnings = earlier.warnings

    def _describe(self) -> TakeRecord:
        shot = self._shot
        return TakeRecord(
            format=1,
            name=shot.name,
            shot_hash=self._hash,
            first=shot.frames.first,
            last=shot.frames.last,
            fps=shot.frames.fps,
            width=shot.film.width,
            height=shot.film.height,
            bodies=object_names(shot),
            settings={
                "simulation_start": shot.frames.simulation_start,
                "simulation": shot.simulation,
                "render": shot.render,
                "method": shot.method,
                "seed": shot.seed,
                "transparent": shot.world.transparent,
            },
            versions=_versions(),
            device=self.device,
            seconds={stage: round(spent, 3) for stage, spent in self.seconds.items()},
            warnings=self.warnings,
            frames=_states(shot.frames, self),
        )


def read_record(folder: Path) -> TakeRecord:
    """Read take.json. Raises ShotError when it is not one."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=TakeRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ShotError(
            str(folder / RECORD), f"expected the record of a take, got: {error}.",
            "Choose another folder, or remove this file.",
        ) from error  # fmt: skip


def _states(frames: FrameRange, take: Take) -> dict[str, FrameState]:
    return {str(n): "whole" if take.is_whole(n) else "missing" for n in frames.numbers}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in TOLD_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
