"""Finished frames by what they depend on, so that an unchanged shot is taken again at once."""

import hashlib
from pathlib import Path

import msgspec

from ...contract.messages import FrameFile
from ...contract.shot import Shot
from ...contract.simulation_record import RECORD
from ..cache import STAGE_VERSIONS, stage_key
from .landing import land_bytes, land_link
from .take import Take

FILES: tuple[FrameFile, ...] = ("passes", "beauty")


class FinishedFrames:
    """Files shared with the takes that they came from: links, so they take no room twice.

    A take may have been edited by hand since; the sums tell, and such a frame is made anew.
    `weights` are the digests of what the shot's method reads beside the shot.
    """

    def __init__(self, cache: Path, shot: Shot, weights: tuple[str, ...] = ()) -> None:
        nameless = msgspec.structs.replace(shot, name="shot")
        key = stage_key("deliver", nameless, STAGE_VERSIONS, *weights)
        self.folder = cache / "finished" / key

    def keep(self, take: Take, frame: int) -> None:
        """Remember a frame that is whole in the take."""
        for file in FILES:
            land_link(take.path(file, frame), self.path(file, frame))
        self.seal(frame)

    def seal(self, frame: int) -> None:
        """Remember a frame whose files were written here."""
        sums = [_sum(self.path(file, frame)) for file in FILES]
        land_bytes(self._place("sums", frame), "\n".join(sums).encode())

    def holds(self, frame: int) -> bool:
        """Say whether a frame is remembered, and nobody changed it."""
        try:
            sums = self._place("sums", frame).read_text().split("\n")
            return sums == [_sum(self.path(file, frame)) for file in FILES]
        except FileNotFoundError:
            return False

    def adopt(self, take: Take, frame: int) -> bool:
        """Put a remembered frame into the take; False where there is none, or it was changed."""
        if not self.holds(frame):
            return False
        for file in FILES:
            land_link(self.path(file, frame), take.path(file, frame))
        return True

    def keep_simulation(self, take: Take) -> None:
        """Keep what the take's simulation was like, here and in the take, as far as it is known."""
        record, here, there = take.tell_simulation(), self.folder / RECORD, take.folder / RECORD
        if record is not None:
            land_bytes(here, msgspec.json.encode(record))
        elif there.is_file() and not here.is_file():
            land_link(there, here)
        if here.is_file():
            land_link(here, there)

    def path(self, file: FrameFile, frame: int) -> Path:
        """Return where a frame's file is or will be."""
        return self._place(file, frame)

    def _place(self, kind: str, frame: int) -> Path:
        return self.folder / f"{frame:04d}.{kind}"


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
