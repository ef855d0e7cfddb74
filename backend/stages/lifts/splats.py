"""Splats over a lifted form, coloured by the picture so that its own view shows it again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ....kernels.splats.project import BLUE, RED, SplatPose, View, project
from ....kernels.splats.raster import ALPHA, COLOR, rasterise_kept, rasterise_plain
from ....kernels.splats.raster_gradient import record_gradient
from ..bodies.looks import CLOSED_SIGMA, FLATNESS, OPAQUE, tangent_frames
from ..bodies.sampling import surface_samples
from ..bodies.shape import Shape
from ..bodies.textures import srgb_to_linear
from ..takes.picture import encode_srgb
from .background import spread
from .picture import Floats, Picture
from .seen import Seen

PITCH = 1.15
"Pixels of the picture between splats on the side that it shows."
BACK_SHARE = 0.3
"Splats on the side that it does not show, for each one on the other."
MOST, LEAST = 120_000, 500
"Splats of one lift, unless other numbers are asked for."
MOST_SPLATS = 2_000_000
"Splats that a lift may be asked for."
EDGE = 0.97
"Share of a pixel that must be the object's for its colour to be the object's own."
CORRECTIONS, RELAXED = 12, 1.7
"Rounds of adding what the view lacks to the colours, since splats blur; and how far each goes."
HIDDEN = 0.1
"Pixels that a splat must fill to be corrected by about what they lack."
BARE = 0.9
"Coverage of a pixel below which it shows through."
TIPS = 1.5
"Splats put where pixels are bare, for each one that is."
TIP_SIGMA = 0.5
"Pixels, of the splats that stand there."
INSET = 1.1
"Pixels that splats lie below the surface: so far they are seen beyond it, where many overlap."


@dataclass(frozen=True)
class Splats:
    """The n splats of a body, in its space.

    `mean` (n, 3) [m]; `scale` (n, 3) standard deviations [m], of discs the last across; `turn`
    (n, 4) wxyz; `color` (n, 3) linear; `opacity` (n,).
    """

    mean: Floats
    scale: Floats
    turn: Floats
    color: Floats
    opacity: Floats

    def __len__(self) -> int:
        return len(self.mean)

    def only(self, rows: NDArray[np.bool_]) -> "Splats":
        """Return some of the splats."""
        return Splats(
            self.mean[rows], self.scale[rows], self.turn[rows], self.color[rows], self.opacity[rows]
        )

    @property
    def axes(self) -> Floats:
        """Half axes (n, 3, 3) as columns."""
        turns = Rotation.from_quat(self.turn, scalar_first=True).as_matrix()
        return np.asarray(turns * self.scale[:, None, :], np.float32)

    def seen_by(self, view: View) -> tuple[Floats, Floats, Floats]:
        """Return linear premultiplied colour (h, w, 3), alpha and depth (h, w) of a view."""
        pose = SplatPose(self.mean, self.axes)
        return rasterise_plain(project(pose, view, color=self.color, opacity=self.opacity), view)


def splats_over(
    shape: Shape, picture: Picture, mask: Floats, seen: Seen, *, count: int | None = None,
    rng: np.random.Generator,
) -> Splats:  # fmt: skip
    """Cover a form with splats in the picture's colours; those it does not show mirror it.

    `mask` (H, W) says which pixels show the object: colours of its border, which the background
    mixes into, are its nearest inner ones'. Without `count` they stand PITCH pixels apart.
    """
    centre = shape.vertices[shape.triangles].mean(axis=1)
    to_eye = seen.camera_to_body[:3, 3] - centre
    to_eye /= np.linalg.norm(to_eye, axis=1, keepdims=True)
    front = np.einsum("fd,fd->f", shape.face_normals, to_eye) > 0
    wanted = shape.areas[front].sum() / (PITCH * seen.metres_per_pixel) ** 2
    total = count or int(np.clip((1 + BACK_SHARE) * wanted, LEAST, MOST))
    colors = own_colors(picture, mask)

    def over_it(number: int) -> Splats:
        shown = round(number / (1 + BACK_SHARE))
        return _joined([_discs(shape, part, some, colors, seen, rng)
                        for part, some in ((front, shown), (~front, number - shown))])  # fmt: skip

    made = over_it(total)
    solid = np.asarray(mask >= EDGE)
    covered = made.seen_by(seen.view())[1] >= BARE
    if covered.any() and not covered[solid].all():
        # Tips are of the number asked for, and a body that is drawn anew leaves other pixels bare.
        bare, most = int((solid & ~covered).sum()), int(solid.sum())
        tips = min(round(TIPS * bare), most, total // 2)
        made = over_it(total - tips)
        made = _joined([made, tips_of(made, solid, colors, seen, tips)])
    return corrected(made, colors, seen)


def tips_of(
    splats: Splats, solid: NDArray[np.bool_], colors: Floats, seen: Seen, number: int
) -> Splats:
    """Return a splat for each of the `number` pixels of `solid` (H, W) that others cover least.

    A form is round where its outline is sharp, and splats lie below its surface: the tip of a
    corner, and what is a pixel or two wide, is in neither. Each stands as deep as what is shown
    nearest to it, and faces the camera.
    """
    _, alpha, depth = splats.seen_by(seen.view())
    down, right = np.nonzero(solid)
    least = np.argsort(alpha[down, right], kind="stable")[:number]
    down, right = down[least], right[least]
    near = spread(depth[..., None].astype(np.float32), alpha >= BARE)
    z = near[down, right, 0].astype(np.float64)
    mean = seen.to_body(right.astype(np.float64) + 0.5, down.astype(np.float64) + 0.5, z)
    to_eye = seen.camera_to_body[:3, 3] - mean
    to_eye /= np.linalg.norm(to_eye, axis=1, keepdims=True)
    sigma = TIP_SIGMA * z / seen.focal
    turns = Rotation.from_matrix(tangent_frames(to_eye).reshape(-1, 3, 3))
    return Splats(
        mean.astype(np.float32),
        (sigma[:, None] * np.array([1, 1, FLATNESS])).astype(np.float32),
        turns.as_quat(scalar_first=True).reshape(-1, 4).astype(np.float32),
        colors[down, right].astype(np.float32),
        np.full(len(mean), OPAQUE, np.float32),
    )


def _joined(parts: Sequence[Splats]) -> Splats:
    names = ("mean", "scale", "turn", "color", "opacity")
    return Splats(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def own_colors(picture: Picture, mask: Floats) -> Floats:
    """Return the object's linear colours (H, W, 3), continued beyond its border."""
    solid = mask >= EDGE
    if not solid.any():  # thin as hair all over
        solid = mask >= mask.max()
    return spread(picture.linear, solid)


def corrected(splats: Splats, target: Floats, seen: Seen) -> Splats:
    """Change colours until the camera's view shows `target` (H, W, 3), linear; shape stays.

    Each round gives every splat the mean of what the pixels that show it lack, weighed by how much
    of it they show (Gilbert's SIRT, 1972). What no pixel shows keeps the colour of the picture at
    its place: the back mirrors the front.
    """
    view = seen.view()
    pixel, _ = seen.to_picture(splats.mean)
    result = replace(splats, color=_at(target, pixel))
    for _ in range(CORRECTIONS):
        projected = project(
            SplatPose(result.mean, result.axes), view, color=result.color, opacity=result.opacity
        )
        planes, lists = rasterise_kept(projected, view)
        alpha = planes[ALPHA]
        lacking = np.moveaxis(target, -1, 0) * alpha - planes[COLOR : COLOR + 3]
        shares = [
            record_gradient(
                projected, lists, planes, view, color=given, alpha=0 * alpha, depth=None
            )
            for given in (lacking, np.ones_like(lacking))
        ]
        more, shown = (share[:, RED : BLUE + 1] for share in shares)
        color = result.color + RELAXED * more / (shown + HIDDEN)
        result = replace(result, color=np.clip(color, 0, None).astype(np.float32))
    return result


def front_view(splats: Splats, seen: Seen, behind: Floats) -> Floats:
    """Return what the camera sees (H, W, 3) sRGB, before what lies behind, (H, W, 3) sRGB."""
    return view_before(splats, seen.view(), behind)


def view_before(splats: Splats, view: View, behind: Floats) -> Floats:
    """Return what a view shows (h, w, 3) sRGB, before what lies behind, (h, w, 3) sRGB."""
    color, alpha, _ = splats.seen_by(view)
    light = color + (1 - alpha[..., None]) * srgb_to_linear(behind)
    return np.asarray(encode_srgb(light), np.float32)


def _discs(
    shape: Shape, part: NDArray[np.bool_], count: int, colors: Floats, seen: Seen,
    rng: np.random.Generator,
) -> Splats:  # fmt: skip
    samples = surface_samples(shape, part, max(count, 16), rng)
    corners = shape.corner_normals[samples.triangle]
    normal = np.einsum("nk,nkd->nd", samples.barycentric, corners).astype(np.float64)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.where(length > 0.1, normal / np.maximum(length, 0.1), samples.normal)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    turn = Rotation.from_matrix(tangent_frames(normal)).as_quat(scalar_first=True)
    sigma = CLOSED_SIGMA * samples.spacing
    mean = samples.position - INSET * seen.metres_per_pixel * normal
    number = len(mean)
    return Splats(
        mean.astype(np.float32),
        np.tile(np.float32(sigma) * np.array([1, 1, FLATNESS], np.float32), (number, 1)),
        turn.astype(np.float32),
        _at(colors, seen.to_picture(mean)[0]),
        np.full(number, OPAQUE, np.float32),
    )


def _at(image: Floats, pixel: NDArray[np.float64]) -> Floats:
    """Read an image (H, W, 3) at pixels (n, 2), between their centres."""
    place = [pixel[:, 1] - 0.5, pixel[:, 0] - 0.5]
    planes = [ndimage.map_coordinates(image[..., k], place, order=1, mode="nearest")
              for k in range(3)]  # fmt: skip
    return np.stack(planes, axis=1).astype(np.float32)
