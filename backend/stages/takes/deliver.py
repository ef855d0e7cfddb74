"""The last stage: frames become files of the take, and a finished take gets its preview."""

from collections.abc import Iterator

from ...contract.shot import Shot
from ..images.rendered import RenderedFrame
from .exr import write_exr
from .finished import FinishedFrames
from .landing import land_bytes, landing
from .picture import encode_png
from .preview import write_contact_sheet, write_preview
from .take import CONTACT_SHEET, PREVIEW, Take

DISK_BYTES_PER_PIXEL = 12
"EXR and PNG, compressed: 6.5 for a scene of textured things, twice that where all is grainy."


def deliver(
    shot: Shot, frames: Iterator[RenderedFrame], take: Take, finished: FinishedFrames
) -> Iterator[int]:
    """Land each frame, its EXR first and then its PNG, and yield its number.

    Raises DiskFullError.
    """
    for frame in frames:
        _land(shot, frame, take)
        finished.keep(take, frame.frame)
        yield frame.frame


def keep_frame(shot: Shot, frame: RenderedFrame, finished: FinishedFrames) -> None:
    """Land a frame among the finished ones alone: it is in no take yet. Raises DiskFullError."""
    _land(shot, frame, finished)
    finished.seal(frame.frame)


def close_take(shot: Shot, take: Take) -> None:
    """Make preview and contact sheet of a take whose frames are all there, unless it has them."""
    pictures = [(n, take.path("beauty", n)) for n in shot.frames.numbers]
    if not (take.folder / PREVIEW).is_file():
        write_preview(take.folder / PREVIEW, [path for _, path in pictures], shot.frames.fps)
    if not (take.folder / CONTACT_SHEET).is_file():
        write_contact_sheet(take.folder / CONTACT_SHEET, pictures)


def _land(shot: Shot, frame: RenderedFrame, place: Take | FinishedFrames) -> None:
    with landing(place.path("passes", frame.frame)) as temporary:
        write_exr(temporary, frame)
    png = encode_png(frame.beauty, transparent=shot.world.transparent)
    land_bytes(place.path("beauty", frame.frame), png)


def frame_bytes(shot: Shot) -> int:
    """Return what one frame's files are likely to take on disk."""
    return shot.film.width * shot.film.height * DISK_BYTES_PER_PIXEL + (64 << 10)
