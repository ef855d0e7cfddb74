"""Fitted splats put into a shot, and what is to be said where they are not what was asked for."""

import bpy
import msgspec

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.fits.files import read_fitted
from impetus.backend.contract.materials import Flowing
from impetus.backend.contract.shot import Body

from ..captures.reading import is_capture
from ..shot_export import Export
from .order import fit_path
from .subject import Subjects, fit_key, subjects


def with_fits(
    scene: bpy.types.Scene, exported: Export, layer: bpy.types.ViewLayer | None = None
) -> Export:
    """Return the shot with the fitted splats of all objects that are to have them.

    Where there is no fit of an object as it is now, its surface's splats stay, and a warning says
    so.
    """
    wanted = [
        ob for ob in scene.objects if ob.impetus.splat_source == "FITTED" and not is_capture(ob)
    ]
    if not wanted:
        return exported
    found, arrays = subjects(scene, layer), ArraySet(dict(exported.arrays))
    named = {name: ob for name, ob in found.originals.items() if ob in wanted}
    said = list(exported.warnings)
    bodies = tuple(
        _fitted(scene, body, named[body.name], found, arrays, said) if body.name in named else body
        for body in exported.shot.bodies
    )
    shot = msgspec.structs.replace(exported.shot, bodies=bodies)
    fitted = {body.name for body in bodies if body.fit is not None}
    return Export(shot, arrays, tuple(line for line in said if not _is_void(line, fitted, found)))


def _is_void(warning: str, fitted: set[str], found: Subjects) -> bool:
    """Return whether a warning is of a material whose pictures were fitted, and no other need."""
    where = warning.partition(": ")[0]
    users = {
        name for name, used in found.materials.items() if where in {each.name_full for each in used}
    }
    return bool(users) and users <= fitted and where not in found.bodies


def _fitted(
    scene: bpy.types.Scene, body: Body, ob: bpy.types.Object, found: Subjects, arrays: ArraySet,
    said: list[str],
) -> Body:  # fmt: skip
    if isinstance(body.material, Flowing):
        said.append(f"{body.name}: it flows, so its surface's splats are used, not fitted ones.")
        return body
    key = fit_key(scene, found, ob)
    try:
        fitted, kept = read_fitted(fit_path(key))
    except ShotError:
        stale = "its fit is of before an edit" if ob.impetus.fit.key else "it is not fitted yet"
        said.append(f"{body.name}: {stale}; its surface's splats are used. Fit it again.")
        return body
    for array in kept.values():
        arrays.add(array)
    return msgspec.structs.replace(body, fit=fitted)
