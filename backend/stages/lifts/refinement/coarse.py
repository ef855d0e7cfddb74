"""Coarse splats that something else made of a picture: from a file, in the picture's camera."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ....contract.captures.files import read_capture
from ....contract.captures.gaussians import Gaussians
from ....contract.errors import LiftError
from ...takes.picture import decode_srgb
from ..form import Form
from ..lattice import bounds_of
from ..picture import Floats
from ..seen import Seen
from ..splats import MOST_SPLATS, Splats

LEAST_OVERLAP = 0.5
"Of the splats' outline and the mask: below, they are not in the picture's camera."
REACH = 2.0
"Lengths of the object from its middle, beyond which splats are not of it."
THINNEST, WIDEST = 1e-4, 0.5
"Standard deviations of splats, in lengths of the object."
BRIGHTEST = 2.0
"sRGB: trained splats go beyond white a little."
FARTHEST = 1e6
"Distances of the object: beyond, single precision holds no places."
AXES = "Write it in the camera's axes: x right, y down, z forward, the eye at the origin."


def read_coarse(path: Path, seen: Seen, mask: Floats, form: Form) -> tuple[Splats, tuple[str, ...]]:
    """Return a file's splats in body space, and what to know of them.

    The file has them in the axes of the camera that saw the picture, OpenCV's (x right, y down, z
    forward), its eye at the origin. Their unit is free: they are put as far away as the form, by
    the median depth of what is seen of both. Of harmonics the mean colour is kept. Raises
    CaptureError for a file that is not of splats or points, or not whole; LiftError for points, and
    for splats that are not where the mask (H, W) is.
    """
    read = _read(path)
    ahead = read.mean[:, 2] > 0
    if not ahead.any():
        raise LiftError(f"{path.name}: expected splats before the camera, got none there.", AXES)
    left, top, right, bottom = bounds_of(mask >= 0.5)
    length = max(right - left, bottom - top) * seen.metres_per_pixel
    unit = seen.origin / float(np.median(read.mean[ahead, 2]))
    _, alpha, depth = _placed(read, seen, unit, length).seen_by(seen.view())
    overlap = float(np.minimum(alpha, mask).sum() / np.maximum(alpha, mask).sum())
    if overlap < LEAST_OVERLAP:
        raise LiftError(
            f"{path.name}: expected splats where the picture shows the object, got an overlap of "
            f"{overlap:.0%}.",
            AXES,
        )
    found = depth[(mask >= 0.5) & np.isfinite(depth)]
    unit *= float(np.median(form.front[form.lattice.inside]) / np.median(found))
    splats = _placed(read, seen, unit, length)
    near = np.linalg.norm(splats.mean, axis=1) <= REACH * length
    large = near & (read.log_scale > np.log(WIDEST * length / unit)).any(axis=1)
    return splats.only(near), _notes(read, int((~near).sum()), int(large.sum()))


def _read(path: Path) -> Gaussians:
    read = read_capture(path)
    if not isinstance(read, Gaussians):
        raise LiftError(
            f"{path.name}: expected splats, got coloured points, which have no sizes.",
            "Export it as 3D Gaussian Splatting writes splats.",
        )
    if len(read) > MOST_SPLATS:
        raise LiftError(
            f"{path.name}: expected up to {MOST_SPLATS:,} splats, got {len(read):,}.",
            "Thin it out where it was made.",
        )
    return read


def _placed(read: Gaussians, seen: Seen, unit: float, length: float) -> Splats:
    """Return splats of the camera's space in body space; `unit` is what one of theirs is [m].

    Sizes are brought into bounds by the object's `length` [m].
    """
    pose, far = seen.camera_to_body, FARTHEST * seen.origin
    mean = np.clip(unit * read.mean.astype(np.float64), -far, far) @ pose[:3, :3].T + pose[:3, 3]
    low, high = (np.log(share * length / unit) for share in (THINNEST, WIDEST))
    size = unit * np.exp(np.clip(read.log_scale.astype(np.float64), low, high))
    own = Rotation.from_quat(read.quaternion.astype(np.float64), scalar_first=True)
    turn = (Rotation.from_matrix(pose[:3, :3]) * own).as_quat(scalar_first=True)
    return Splats(
        mean.astype(np.float32),
        size.astype(np.float32),
        turn.astype(np.float32),
        decode_srgb(np.clip(read.colors, 0, BRIGHTEST)).astype(np.float32),
        read.opacity,
    )


def _notes(read: Gaussians, far: int, large: int) -> tuple[str, ...]:
    notes = list(read.notes)
    if far:
        notes.append(f"{far:,} coarse splats are far from the object; they are left out.")
    if large:
        notes.append(f"{large:,} coarse splats are larger than half the object; they shrink.")
    if read.harmonics.shape[1] > 1:
        notes.append("Of the coarse splats' harmonics the mean colours are kept.")
    return tuple(notes)
