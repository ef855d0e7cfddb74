"""What is around the bodies: lights, world, domain; each sampled per frame."""

from typing import Literal

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArrayRef, ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import (
    Box,
    Contact,
    Ground,
    Light,
    SimulationSettings,
    World,
)

from ..properties import ImpetusScene
from . import nodes
from .transforms import require_finite_matrices, rigid

Floats = NDArray[np.float64]
_LightKind = Literal["sun", "point", "spot", "area"]
_KINDS: dict[str, _LightKind] = {"SUN": "sun", "POINT": "point", "SPOT": "spot", "AREA": "area"}


def read_light(
    name: str, light: bpy.types.Light, matrices: Floats, arrays: ArraySet, metres: float
) -> Light:
    """Return a lamp, evaluated at the simulation's start, with its poses (T, 4, 4)."""
    color, strength = _light_emission(light)
    watts = light.energy * strength * 2.0 ** getattr(light, "exposure", 0.0)
    # Blender spreads a lamp's watts over Blender units: the same picture in metres needs this much.
    watts *= 1.0 if light.type == "SUN" else metres**2
    spot = {"spot_angle": light.spot_size, "spot_blend": light.spot_blend} if (
        light.type == "SPOT"
    ) else {}  # fmt: skip
    return Light(
        name=name,
        kind=_KINDS[light.type],
        poses=arrays.add(rigid(name, matrices, metres)),
        color=color,
        power=max(watts, 0.0),
        size=_light_size(light, matrices[0], metres),
        shadow=light.use_shadow,
        **spot,
    )


def _light_emission(light: bpy.types.Light) -> tuple[tuple[float, float, float], float]:
    color, strength = np.array(light.color, np.float64), 1.0
    if getattr(light, "use_temperature", False):
        color = color * np.array(light.temperature_color)
    tree = nodes.node_tree(light)
    shader = nodes.surface_shader(tree) if tree else None
    if shader is not None and shader.bl_idname == "ShaderNodeEmission":
        color = color * np.array(nodes.value(shader, "Color")[:3])
        strength = nodes.value(shader, "Strength")
    return nodes.rgb(color), float(strength)


def _light_size(light: bpy.types.Light, matrix: Floats, metres: float) -> float:
    if light.type == "SUN":
        return light.angle
    if light.type != "AREA":
        return light.shadow_soft_size * metres
    scale = np.linalg.norm(matrix[:3, :2], axis=0)
    other = light.size_y if light.shape in {"RECTANGLE", "ELLIPSE"} else light.size
    return float(np.sqrt(light.size * scale[0] * other * scale[1])) * metres


def read_world(
    scene: bpy.types.Scene, arrays: ArraySet, metres: float, warnings: list[str]
) -> World:
    """Return what surrounds the shot: the world's light, a backdrop, and the ground if any."""
    settings = scene.impetus
    color = _world_color(scene.world, warnings)
    contact = Contact(settings.ground_boundary.lower(), settings.ground_friction)
    ground = Ground(settings.ground_height * metres, contact) if settings.use_ground else None
    return World(
        background=color,
        background_image=_backdrop(settings.backdrop, arrays, warnings),
        transparent=scene.render.film_transparent,
        ambient=color,
        ground=ground,
    )


def _backdrop(
    image: bpy.types.Image | None, arrays: ArraySet, warnings: list[str]
) -> ArrayRef | None:
    if image is None:
        return None
    if image.source in {"MOVIE", "SEQUENCE"}:
        warnings.append(f"{image.name}: a backdrop stands still; only its present frame is used.")
    pixels = nodes.pixels(image)
    if pixels is None:
        raise ShotError(
            image.name,
            "expected a backdrop with pixels, got an image that cannot be read.",
            "Reload it, or choose another backdrop.",
        )
    return arrays.add(pixels)


def _world_color(world: bpy.types.World | None, warnings: list[str]) -> tuple[float, float, float]:
    if world is None:
        return (0.0, 0.0, 0.0)
    tree = nodes.node_tree(world)
    if tree is None:
        return nodes.rgb(world.color)
    shader = nodes.surface_shader(tree)
    found = next((n for n in nodes.upstream(shader) if n.bl_idname == "ShaderNodeBackground"), None)
    if found is None:
        return (0.0, 0.0, 0.0)
    if found != shader:
        warnings.append(f"{world.name}: only one of its backgrounds is used.")
    strength = max(nodes.value(found, "Strength"), 0.0)
    feeding = nodes.source(found.inputs["Color"])
    color = np.array(nodes.rgb(nodes.value(found, "Color")))
    if feeding is not None:
        image = nodes.pixels(getattr(feeding, "image", None))
        if image is not None:
            color = nodes.linear(image)[..., :3].mean((0, 1))
        warnings.append(f"{world.name}: its {feeding.bl_label} is taken as one even color.")
    return nodes.rgb(color * strength)


def read_simulation(
    settings: ImpetusScene, depsgraph: bpy.types.Depsgraph, metres: float
) -> SimulationSettings:
    """Return how finely, and where, the scene is simulated; as `read_domain`."""
    domain = settings.domain and settings.domain.evaluated_get(depsgraph)
    return SimulationSettings(
        resolution=settings.resolution,
        particles_per_cell=settings.particles_per_cell,
        domain=domain and read_domain(domain, metres),
        walls=settings.walls.lower(),
        leaving=settings.leaving.lower(),
    )


def read_domain(evaluated: bpy.types.Object, metres: float) -> Box:
    """Return the world bounds of the domain object. Raises ShotError where it has no size."""
    matrix = np.array(evaluated.matrix_world, np.float64)
    require_finite_matrices(evaluated.name, matrix[None])
    if evaluated.type == "EMPTY":
        size = evaluated.empty_display_size
        corners = np.array(np.meshgrid(*[[-size, size]] * 3)).reshape(3, -1).T
    else:
        corners = np.array([corner[:] for corner in evaluated.bound_box])
    world = (corners @ matrix[:3, :3].T + matrix[:3, 3]) * metres
    low, high = world.min(0), world.max(0)
    if (high - low <= 0).any():
        raise ShotError(
            evaluated.name,
            f"expected a domain with a size, got {' x '.join(f'{d:.3g}' for d in high - low)} m.",
            "Scale the domain object up along every axis.",
        )
    return Box(tuple(low.tolist()), tuple(high.tolist()))
