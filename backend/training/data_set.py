"""The made data as training reads it: pictures and clips with captions and exact geometry.

    DATA/pictures/000123/   DATA/clips/000045/
        scene.json            what is in it; the fields of `Sample`
        color_0001.png        sRGB, 8 bit; frames count from 1
        geometry_0001.npz     the fields of `Geometry`

A sample's folder appears whole or not at all, so a set may be read while it still grows.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

from ..contract.errors import TrainingDataError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """What is known of a frame, on its pixels; motion is None in a picture.

    Motion is in pixels, x right, y down: `forward` to where a pixel is in the next frame,
    `backward` to where it was in the previous one. Both are right wherever they lead; `valid` tells
    where `forward` leads to something that the next frame shows.
    """

    depth: Floats  # (h, w) m along the view axis, inf where empty
    normal: Floats  # (h, w, 3) world, unit length or 0 where empty
    index: NDArray[np.uint8]  # (h, w) 0 where empty, else the object's place in `objects` from 1
    edges: NDArray[np.uint8]  # (h, w) 255 on outlines and creases
    forward: Floats | None  # (h, w, 2)
    backward: Floats | None  # (h, w, 2)
    valid: NDArray[np.bool_] | None  # (h, w)


@dataclass(frozen=True)
class Sample:
    """A picture, or a clip of `frames` frames; color and geometry are read when asked for."""

    folder: Path
    about: dict[str, Any] = field(repr=False)

    @property
    def caption(self) -> str:
        return str(self.about["caption"])

    @property
    def kind(self) -> str:
        return str(self.about["kind"])

    @property
    def renderer(self) -> Literal["cycles", "splats"]:
        return "splats" if self.about["renderer"] == "splats" else "cycles"

    @property
    def frames(self) -> int:
        return int(self.about["frames"])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        width, height = self.about["size"]
        return int(width), int(height)

    @property
    def held_out(self) -> bool:
        return bool(self.about["held_out"])

    @property
    def seed(self) -> int:
        """The scene's seed; a scene has the same one in every renderer."""
        return int(self.about["seed"])

    @cached_property
    def camera_to_world(self) -> NDArray[np.float64]:
        """Camera poses (frames, 4, 4); x right, y down, z ahead."""
        return np.array(self.about["camera_to_world"], np.float64)

    @cached_property
    def intrinsics(self) -> NDArray[np.float64]:
        """Pixels: fx, fy, cx, cy of each frame, (frames, 4)."""
        return np.array(self.about["intrinsics"], np.float64)

    def color(self, frame: int = 1) -> NDArray[np.uint8]:
        """Read a frame's picture (h, w, 3), sRGB."""
        path = self.folder / f"color_{frame:04d}.png"
        return np.ascontiguousarray(imageio.imread(path)[..., :3])

    def geometry(self, frame: int = 1) -> Geometry:
        """Read what is known of a frame."""
        with np.load(self.folder / f"geometry_{frame:04d}.npz") as stored:
            motion = {
                name: stored[name].astype(np.float32) if name in stored else None
                for name in ("forward", "backward")
            }
            return Geometry(
                depth=stored["depth"].astype(np.float32),
                normal=stored["normal"].astype(np.float32) / 127,
                index=stored["index"],
                edges=stored["edges"],
                forward=motion["forward"],
                backward=motion["backward"],
                valid=stored.get("valid"),
            )


Picture = Sample
Clip = Sample


class DataSet:
    """A folder of made data. Listing again finds what was made meanwhile."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise TrainingDataError(
                f"Expected a folder of training data, but {str(folder)!r} is none.",
                "Make the data first, or name the folder that it is in.",
            )
        self.folder = folder
        self._known: dict[Path, Sample] = {}

    def pictures(self, held_out: bool = False) -> list[Picture]:
        """List the pictures in order: those to train on, or those held out for evaluation."""
        return self._list("pictures", held_out)

    def clips(self, held_out: bool = False) -> list[Clip]:
        """List the clips in order: those to train on, or those held out for evaluation."""
        return self._list("clips", held_out)

    def stills(self, held_out: bool = False) -> list[Sample]:
        """List all that a model of pictures learns from: pictures, and clips for their first frame.

        A clip of splats has its first frame among the pictures already.
        """
        clips = [clip for clip in self.clips(held_out) if clip.renderer == "cycles"]
        return self.pictures(held_out) + clips

    def _list(self, name: str, held_out: bool) -> list[Sample]:
        folders = sorted((self.folder / name).glob("*[0-9]"))
        return [sample for sample in map(self._sample, folders) if sample.held_out == held_out]

    def _sample(self, folder: Path) -> Sample:
        if folder not in self._known:
            path = folder / "scene.json"
            try:
                about = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise TrainingDataError(
                    f"Expected a sample's description in {str(path)!r}, but: {error}.",
                    f"Delete the folder {folder.name!r}; it is made anew when data is made again.",
                ) from error
            self._known[folder] = Sample(folder, about)
        return self._known[folder]
