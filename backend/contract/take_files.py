"""Where the files of a take lie in its folder; frames are numbered as Blender numbers them."""

from pathlib import Path

from .messages import FrameFile

SUFFIX: dict[FrameFile, str] = {"beauty": "png", "passes": "exr"}
"Of the files that make a frame whole."
POINTS_SUFFIX = "npz"


def frame_path(folder: Path, file: FrameFile, frame: int) -> Path:
    """Return a frame's file: `beauty/0001.png`, `passes/-0012.exr`, `points/0001.npz`."""
    suffix = POINTS_SUFFIX if file == "points" else SUFFIX[file]
    sign = "-" if frame < 0 else ""
    return folder / file / f"{sign}{abs(frame):04d}.{suffix}"


def is_whole(folder: Path, frame: int) -> bool:
    """Return whether all of a frame's files are there; each was put there whole."""
    return all(frame_path(folder, file, frame).is_file() for file in SUFFIX)
