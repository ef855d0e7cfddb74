"""What LGM sees: four square views around an object, each with the rays of its pixels.

Its world is OpenGL's (y up); cameras stand 1.5 from the middle at azimuths 0, 90, 180 and 270
degrees, the first of them the picture's own. Ours has z up and y away from the picture's camera.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ....contract.errors import LiftError
from ..lattice import bounds_of
from ..picture import Floats, Picture, read_picture
from ..seen import Seen

SIDE = 256
FIELD = 49.1
"Vertical field of view in degrees."
RADIUS = 1.5
BORDER = 0.2
"Share of a view that is free around the object."
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"Of colours, as for networks that learnt from ImageNet."
TO_BODY = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"Turns LGM's axes into the body's."
FOCAL = SIDE / 2 / np.tan(np.radians(FIELD) / 2)


@dataclass(frozen=True)
class Framed:
    """A picture's object in a view of its own: `image` (SIDE, SIDE, 3) sRGB before white.

    Pixel of the view = `scale` * pixel of the picture + `shift` (x, y).
    """

    image: Floats
    scale: float
    shift: tuple[float, float]

    def seen(self, size: tuple[int, int], length: float, longest: float) -> Seen:
        """Return the camera of the whole picture of `size`.

        The object's side of `longest` pixels is `length` metres long. Metres per unit of LGM are
        `seen.distance / RADIUS`.
        """
        focal = FOCAL / self.scale
        x, y = ((SIDE / 2 - shift) / self.scale for shift in self.shift)
        distance = length * focal / longest
        return Seen(size, focal, (x, y), (x, y), distance, distance)


def framed(picture: Picture, mask: Floats) -> Framed:
    """Cut the object out, before white, in the middle of a view with BORDER around it."""
    left, top, right, bottom = bounds_of(mask >= 0.5)
    scale = SIDE * (1 - BORDER) / max(right - left, bottom - top)
    shift = (SIDE / 2 - scale * (left + right) / 2, SIDE / 2 - scale * (top + bottom) / 2)
    white = picture.color * mask[..., None] + (1 - mask[..., None])
    # Pillow's affine: where in the picture each pixel of the view comes from
    box = (-shift[0] / scale, -shift[1] / scale,
           (SIDE - shift[0]) / scale, (SIDE - shift[1]) / scale)  # fmt: skip
    image = _boxed(white, box)
    return Framed(image, scale, shift)


def read_views(paths: list[Path]) -> list[Floats]:
    """Read views (SIDE, SIDE, 3) before white, as they are. Raises LiftError."""
    found = []
    for path in paths:
        picture = read_picture(path, longest=4 * SIDE)
        if picture.size[0] != picture.size[1]:
            raise LiftError(
                f"{path.name}: expected a square view, got {picture.size[0]} x {picture.size[1]}.",
                "Give views as a multi-view model makes them.",
            )
        alpha = 1.0 if picture.alpha is None else picture.alpha[..., None]
        white = np.asarray(picture.color * alpha + (1 - alpha), np.float32)
        found.append(_boxed(white, (0, 0, *picture.size)))
    return found


def network_input(views: list[Floats]) -> Tensor:
    """Return (4, 9, SIDE, SIDE) of four views (SIDE, SIDE, 3) in 0..1."""
    colors = (np.stack(views) - np.array(MEAN)) / np.array(DEVIATION)
    rays = np.stack([plucker(pose) for pose in poses()])
    both = np.concatenate([colors, rays], axis=-1).astype(np.float32)
    return torch.from_numpy(both).permute(0, 3, 1, 2).contiguous()


def poses() -> NDArray[np.float64]:
    """Return camera to world (4, 4, 4) in LGM's world and OpenGL's axes (x right, y up, z back)."""
    found = np.tile(np.eye(4), (4, 1, 1))
    for quarter, pose in enumerate(found):
        sine, cosine = np.sin(quarter * np.pi / 2), np.cos(quarter * np.pi / 2)
        pose[:3, :3] = [[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]
        pose[:3, 3] = RADIUS * pose[:3, 2]
    return found


def plucker(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return origin x direction, and direction, of each pixel's ray: (SIDE, SIDE, 6)."""
    place = (np.arange(SIDE) + 0.5 - SIDE / 2) / FOCAL
    x, y = np.meshgrid(place, place)
    direction = np.stack([x, -y, -np.ones_like(x)], axis=-1) @ pose[:3, :3].T
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    origin = np.broadcast_to(pose[:3, 3], direction.shape)
    return np.concatenate([np.cross(origin, direction), direction], axis=-1)


def _boxed(image: Floats, box: tuple[float, float, float, float]) -> Floats:
    """Return a box of an image (H, W, 3), which may reach beyond it, as a view before white."""
    height, width = image.shape[:2]
    room = int(np.ceil(max(0, -box[0], -box[1], box[2] - width, box[3] - height))) + 1
    padded = np.pad(image, ((room, room), (room, room), (0, 0)), constant_values=1)
    moved = (box[0] + room, box[1] + room, box[2] + room, box[3] + room)
    planes = []
    for k in range(3):
        plane = Image.fromarray(padded[..., k])
        planes.append(np.asarray(plane.resize((SIDE, SIDE), Image.Resampling.BILINEAR, moved)))
    return np.asarray(np.clip(np.stack(planes, axis=-1), 0, 1), np.float32)
