"""Whether a shot can be made: structure, shapes, numbers; findings name object and field.

Both sides call `check_shot`: the extension before it submits, the backend before it believes.
What needs geometry (volume, domain) is checked in stages/prepare.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable

import msgspec
import numpy as np

from .air_check import check_air, object_names
from .arrays import MAX_ARRAY_BYTES, Array, ArrayRef, ArraySet, require_finite
from .camera_check import check_blur, check_camera, check_film
from .captures.gaussians import COUNTS, MOST
from .errors import ShotError
from .fits.fitted import Fitted, check_fitted
from .force_check import check_forces
from .material_check import check_material
from .materials import Flowing, Rigid
from .method_check import check_method
from .ranges import check_ranges
from .regions import Scale, check_group
from .shape_check import check_shapes, check_vertex_cache
from .shot import Body, Capture, FrameRange, Looks, Mesh, Shot
from .track_check import check_poses, check_track

MAX_FRAMES = 100_000


def shot_hash(shot: Shot) -> str:
    """Return the sha256 that names everything made from this shot."""
    return hashlib.sha256(msgspec.json.encode(shot, order="deterministic")).hexdigest()


def array_refs(value: object) -> Iterable[ArrayRef]:
    """Yield every array that a shot, or a part of one, refers to."""
    if isinstance(value, ArrayRef):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from array_refs(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from array_refs(item)


def check_shot(shot: Shot, arrays: ArraySet) -> None:
    """Raise ShotError on the first thing in `shot` or its arrays that cannot be made."""
    check_numbers(shot)
    check_ranges(shot)
    check_presence(shot, arrays)
    _check_frames(shot.frames)
    check_film(shot.film)
    check_camera(shot, arrays)
    check_blur(shot, arrays)
    check_track("Scene gravity", arrays.of(shot.gravity), shot.frames, (3,))
    names = Counter(object_names(shot))
    if twice := [name for name, count in names.items() if count > 1]:
        raise ShotError(twice[0], "expected one body of this name, got several.", "Rename one.")
    for body in shot.bodies:
        check_body(body, shot.frames, arrays)
    check_air(shot, arrays, _check_mesh, check_body)
    _check_sticking(shot)
    check_shapes(shot)
    check_forces(shot, arrays)
    for light in shot.lights:
        check_poses(light.name, arrays.of(light.poses), shot.frames)
    _check_world(shot, arrays)
    check_method(shot, arrays)


def check_numbers(value: object, where: str = "Shot") -> None:
    """Raise ShotError for NaN and infinity, which msgspec lets through every bound."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ShotError(where, f"expected a finite number, got {value!r}.", "Enter a number.")
    if isinstance(value, msgspec.Struct):
        owner = getattr(value, "name", where)
        for name in value.__struct_fields__:
            check_numbers(getattr(value, name), f"{owner}, {name.replace('_', ' ')}")
    elif isinstance(value, tuple):
        for item in value:
            check_numbers(item, where)


def check_presence(value: object, arrays: ArraySet) -> None:
    """Raise ShotError unless every array referred to is there, and is what it is said to be."""
    for ref in array_refs(value):
        if ref.nbytes > MAX_ARRAY_BYTES:
            raise ShotError(
                "Array",
                f"expected at most {MAX_ARRAY_BYTES >> 30} GiB, got a shape of {ref.shape}.",
                "Simplify the mesh, or use a smaller image.",
            )
        if ref.sha256 not in arrays:
            raise ShotError("Array", f"{ref.sha256[:12]} is not there.", "Submit the shot again.")
        array = arrays.of(ref)
        if array.shape != ref.shape or array.dtype != np.dtype(ref.dtype):
            raise ShotError(
                "Array", f"expected {ref.dtype} {ref.shape}, got {array.dtype.str} {array.shape}."
            )


def _check_frames(frames: FrameRange) -> None:
    count = frames.last - frames.first + 1
    if count < 2:
        raise ShotError(
            "Frame range",
            f"expected at least 2 frames, got {frames.first} to {frames.last}.",
            "Set the scene's end frame after its start.",
        )
    if count > MAX_FRAMES or frames.tracked_count > MAX_FRAMES:
        raise ShotError(
            "Frame range",
            f"expected at most {MAX_FRAMES} frames, got {frames.tracked_count}.",
            "Split the shot.",
        )
    if frames.simulation_start > frames.last:
        raise ShotError(
            "Simulation start",
            f"expected a frame up to {frames.last}, got {frames.simulation_start}.",
            "Start the simulation inside or before the frame range.",
        )


def check_body(body: Body, frames: FrameRange, arrays: ArraySet) -> None:
    """Raise ShotError on the first thing in a body that cannot be made."""
    _check_role(body)
    _check_mesh(body.name, body.mesh, arrays)
    count = body.mesh.triangles.shape[0]
    poses = arrays.of(body.poses)
    check_poses(body.name, poses, frames)
    if body.role != "kinematic" and len(poses) != 1:
        raise ShotError(
            body.name,
            f"expected one pose for a {body.role} body, got {len(poses)}.",
            "Make the body kinematic, or remove its animation.",
        )
    _check_looks(body.name, body.looks, count, arrays)
    if body.capture is not None:
        _check_capture(body.name, body.capture, arrays)
    if body.fit is not None:
        _check_fit(body, body.fit, arrays)
    if body.vertex_cache is not None:
        _check_mesh(body.name, body.vertex_cache.mesh, arrays)
        check_vertex_cache(body, body.vertex_cache, frames, arrays)
    for what, scale in (("stiffness", body.stiffness_scale), ("density", body.density_scale)):
        if scale is not None:
            _check_scale(body, what, scale, arrays)


def _check_scale(body: Body, what: str, scale: Scale, arrays: ArraySet) -> None:
    where = f"{body.name}, regions of {what}"
    if body.role != "dynamic":
        raise ShotError(
            where,
            f"expected a dynamic body, got a {body.role} one.",
            "Make it dynamic, or take the group off.",
        )
    if what == "stiffness" and isinstance(body.material, Rigid):
        raise ShotError(
            where,
            "expected a material that deforms, got a rigid one.",
            "Take the group off, or choose another material.",
        )
    if body.capture is not None:
        raise ShotError(
            where,
            "expected a mesh, whose vertices have weights, got a capture.",
            "Take the group off.",
        )
    check_group(where, scale.group, body.mesh.vertices.shape[0], body.mesh.triangles, arrays)


def _check_fit(body: Body, fit: Fitted, arrays: ArraySet) -> None:
    check_fitted(f"{body.name}, fitted splats", fit, arrays)
    if body.capture is not None or isinstance(body.material, Flowing):
        own = "a capture" if body.capture is not None else "what flows"
        raise ShotError(
            body.name,
            f"expected splats of its own for {own}, got fitted ones.",
            "Take its own splats.",
        )


def _check_mesh(name: str, mesh: Mesh, arrays: ArraySet) -> None:
    vertices, triangles = arrays.of(mesh.vertices), arrays.of(mesh.triangles)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or vertices.dtype.kind != "f":
        raise ShotError(name, f"expected float vertices (V, 3), got {vertices.shape}.")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind != "i":
        raise ShotError(name, f"expected integer triangles (F, 3), got {triangles.shape}.")
    if not len(triangles):
        raise ShotError(
            name,
            "expected a mesh with faces, got none.",
            "Add faces, or take the physics off this object.",
        )
    require_finite(f"{name}, mesh", vertices)
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise ShotError(
            f"{name}, mesh", f"a triangle names a vertex outside 0 to {len(vertices) - 1}."
        )
    if mesh.normals is not None:
        _check_corners(name, "normals", arrays.of(mesh.normals), len(triangles), 3)


def _check_role(body: Body) -> None:
    if body.role == "dynamic" and body.material is None:
        raise ShotError(
            body.name,
            "expected a material for a dynamic body, got none.",
            "Choose one in its Impetus physics panel.",
        )
    if body.role != "dynamic" and body.material is not None:
        raise ShotError(
            body.name,
            f"expected no material for a {body.role} body.",
            "Make it dynamic, or remove the material.",
        )
    if body.material is not None:
        check_material(body.name, body.material)


def _check_sticking(shot: Shot) -> None:
    soft = {
        b.name for b in shot.bodies if b.role == "dynamic" and not isinstance(b.material, Rigid)
    }
    for body in shot.bodies:
        for name in body.sticks_to:
            if body.name not in soft or name not in soft or name == body.name:
                raise ShotError(
                    f"{body.name}, sticks to",
                    f"expected two dynamic bodies that deform, got {body.name} and {name}.",
                    "Remove it from the list, or give both a material that is not rigid.",
                )


def _check_corners(where: str, what: str, array: Array, faces: int, width: int) -> None:
    if array.shape != (faces, 3, width):
        raise ShotError(where, f"expected {what} ({faces}, 3, {width}), got {array.shape}.")
    require_finite(f"{where}, {what}", array)


def _check_looks(where: str, looks: Looks, faces: int, arrays: ArraySet) -> None:
    if not looks.surfaces:
        raise ShotError(where, "expected at least one surface, got none.")
    if looks.surface_index is not None:
        index = arrays.of(looks.surface_index)
        if index.shape != (faces,) or (
            len(index) and not 0 <= index.min() <= index.max() < len(looks.surfaces)
        ):
            raise ShotError(
                where, f"expected a surface of 0 to {len(looks.surfaces) - 1} for each face."
            )
    if looks.uv is not None:
        _check_corners(where, "uv", arrays.of(looks.uv), faces, 2)
    if looks.colors is not None:
        _check_corners(where, "colors", arrays.of(looks.colors), faces, 4)
    for surface in looks.surfaces:
        if surface.image is None:
            continue
        image = arrays.of(surface.image)
        if image.ndim != 3 or image.shape[2] != 4 or 0 in image.shape:
            raise ShotError(where, f"expected an image (H, W, 4), got {image.shape}.")
        require_finite(f"{where}, image", image)
        if looks.uv is None:
            raise ShotError(
                where,
                "expected UV coordinates for its image texture, got none.",
                "Unwrap the mesh, or use a plain base colour.",
            )


def _check_capture(name: str, capture: Capture, arrays: ArraySet) -> None:
    count = capture.mean.shape[0] if capture.mean.shape else 0
    shapes: list[tuple[str, ArrayRef | None, list[tuple[int, ...]]]] = [
        ("mean", capture.mean, [(count, 3)]),
        ("opacity", capture.opacity, [(count,)]),
        ("harmonics", capture.harmonics, [(count, k, 3) for k in COUNTS]),
        ("axes", capture.axes, [(count, 3, 3)]),
    ]
    if not 0 < count <= MOST:
        raise ShotError(
            name,
            f"expected 1 to {MOST:,} captured splats, got {count:,}.",
            "Crop it less, lower its opacity threshold, or thin it out.",
        )
    for what, ref, expected in shapes:
        if ref is None:
            continue
        if ref.shape not in expected or ref.dtype != "f4":
            raise ShotError(
                name, f"expected captured {what} f4 {expected[-1]}, got {ref.dtype} {ref.shape}."
            )
        require_finite(f"{name}, captured {what}", arrays.of(ref), "Import the capture again.")
    opacity = arrays.of(capture.opacity)
    if opacity.min() < 0 or opacity.max() > 1:
        raise ShotError(
            name,
            f"expected opacities of 0 to 1, got {opacity.min():.3g} to {opacity.max():.3g}.",
            "Import the capture again.",
        )


def _check_world(shot: Shot, arrays: ArraySet) -> None:
    if (ref := shot.world.background_image) is not None:
        image = arrays.of(ref)
        if image.ndim != 3 or image.shape[2] not in (3, 4) or 0 in image.shape:
            raise ShotError("Background", f"expected an image (H, W, 3 or 4), got {image.shape}.")
        require_finite("Background", image)
    if (box := shot.simulation.domain) is not None:
        size = np.subtract(box.high, box.low)
        if (size <= 0).any():
            raise ShotError(
                "Domain",
                f"expected a size above zero, got {size.tolist()} m.",
                "Scale the domain object up.",
            )
