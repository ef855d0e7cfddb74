"""Finished frames by what they depend on, so that an unchanged shot is taken again at once."""

import hashlib
from pathlib import Path

import msgspec

from ...contract.messages import FrameFile
from ...contract.shot import Shot
from ..cache import STAGE_VERSIONS, stage_key
from .landing import land_bytes, land_link
from .take import Take

FILES: tuple[FrameFile, ...] = ("passes", "beauty")


class FinishedFrames:
    """Files shared with the takes that they came from: links, so they take no room twice.

    A take may have been edited by hand since; the sums tell, and such a frame is made anew.
    """

    def __init__(self, cache: Path, shot: Shot) -> None:
        nameless = msgspec.structs.replace(shot, name="shot")
        self.folder = cache / "finished" / stage_key("deliver", nameless, STAGE_VERSIONS)

    def keep(self, take: Take, frame: int) -> None:
        """Remember a frame that is whole in the take."""
        sums = [_sum(take.path(file, frame)) for file in FILES]
        for file in FILES:
            land_link(take.path(file, frame), self._path(file, frame))
        land_bytes(self._path("sums", frame), "\n".join(sums).encode())

    def adopt(self, take: Take, frame: int) -> bool:
        """Put a remembered frame into the take; False where there is none, or it was changed."""
        try:
            sums = self._path("sums", frame).read_text().split("\n")
            if sums != [_sum(self._path(file, frame)) for file in FILES]:
                return False
        except FileNotFoundError:
            return False
        for file in FILES:
            land_link(self._path(file, frame), take.path(file, frame))
        return True

    def _path(self, kind: str, frame: int) -> Path:
        return self.folder / f"{frame:04d}.{kind}"


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
