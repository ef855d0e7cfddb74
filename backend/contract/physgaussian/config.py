"""The keys of a configuration, with their defaults there; both spellings of the misspelt ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ..errors import ShotError
from ..part import NonNegative, Positive, Vector3
from ..ranges import converted

SPELLINGS = {"max_partciels_per_cell": "max_particles_per_cell", "init_azimuthm": "init_azimuth"}
"Keys that PhysGaussian reads, and what its own pages call them."
CAMERA = frozenset({
    "mpm_space_viewpoint_center", "mpm_space_vertical_upward_axis", "default_camera_index",
    "show_hint", "init_azimuth", "init_elevation", "init_radius", "move_camera", "delta_a",
    "delta_e", "delta_r",
})  # fmt: skip
UNUSED = frozenset({"pic_damping"})
"Read there, and never used."

Axis = Literal[0, 1, 2]
Time = Annotated[float, msgspec.Meta(ge=0)]
Endless = 1e9


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A box, by its middle and half its edges [m]."""

    point: Vector3
    size: Vector3


class MaterialBox(Region, frozen=True, kw_only=True):
    """Other parameters for the particles in a box."""

    E: Positive
    nu: float
    density: Positive | None = None


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """How the inside of a captured object is filled with particles."""

    n_grid: int | None = None
    "Cells along the longest side; four times the simulation's by default."
    density_threshold: float = 5.0
    search_threshold: float = 3.0
    max_particles_num: int = 2_000_000
    max_particles_per_cell: int = 1
    search_exclude_direction: int = 5
    ray_cast_direction: int = 4
    boundary: tuple[float, ...] | None = None
    smooth: bool = False
    visualize: bool = False


class BoundingBox(msgspec.Struct, frozen=True, kw_only=True, tag="bounding_box"):
    """Nothing passes the cube's faces, three cells inside of them."""

    start_time: Time = 0.0
    end_time: Time = Endless


class Cuboid(Region, frozen=True, kw_only=True, tag="cuboid"):
    """What is inside of a box that moves with `velocity` moves with it."""

    velocity: Vector3 = (0.0, 0.0, 0.0)
    start_time: Time = 0.0
    end_time: Time = Endless
    reset: int = 0


class SurfaceCollider(msgspec.Struct, frozen=True, kw_only=True, tag="surface_collider"):
    """A half space behind a plane."""

    point: Vector3
    normal: Vector3
    surface: str = "sticky"
    friction: NonNegative = 0.0
    start_time: Time = 0.0
    end_time: Time = Endless


class ParticleImpulse(msgspec.Struct, frozen=True, kw_only=True, tag="particle_impulse"):
    """A force on each particle in a box for so many substeps."""

    force: Vector3
    num_dt: int = 1
    start_time: Time = 0.0
    point: Vector3 = (1.0, 1.0, 1.0)
    size: Vector3 = (1.0, 1.0, 1.0)


class Translation(Region, frozen=True, kw_only=True, tag="enforce_particle_translation"):
    """Particles that start in a box have this velocity."""

    velocity: Vector3
    start_time: Time = 0.0
    end_time: Time = Endless


class Rotation(msgspec.Struct, frozen=True, kw_only=True, tag="enforce_particle_velocity_rotation"):
    """Particles that start in a cylinder turn about its axis, and move along it."""

    point: Vector3
    normal: Vector3
    half_height_and_radius: tuple[Positive, Positive]
    rotation_scale: float = 0.0
    "rad/s, left-handed about the normal."
    translation_scale: float = 0.0
    "m/s along it."
    start_time: Time = 0.0
    end_time: Time = Endless


class SequentialRelease(
    msgspec.Struct, frozen=True, kw_only=True, tag="release_particles_sequentially"
):
    """Particles are held, and let go in nested slabs, those near `start_position` first."""

    normal: Axis
    start_position: float
    end_position: float
    num_layers: int = 50
    start_time: Time = 0.0
    end_time: Time = Endless


Boundary = (
    BoundingBox | Cuboid | SurfaceCollider | ParticleImpulse | Translation | Rotation
    | SequentialRelease
)  # fmt: skip


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration; names as PhysGaussian's, defaults too. Lengths in m, times in s."""

    material: Literal[
        "jelly", "metal", "sand", "foam", "snow", "plasticine", "fluid"
    ] = "jelly"  # fmt: skip
    grid_lim: Positive = 2.0
    n_grid: Annotated[int, msgspec.Meta(ge=8, le=2048)] = 50
    nu: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.4
    E: Positive = 1e5
    density: Positive = 200.0
    g: Vector3 | float = 9.8
    substep_dt: Positive = 1e-4
    frame_dt: Positive = 1e-2
    frame_num: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    opacity_threshold: float = 0.02
    rotation_degree: tuple[float, ...] = ()
    rotation_axis: tuple[Axis, ...] = ()
    sim_area: tuple[float, float, float, float, float, float] | None = None
    scale: Positive = 1.0
    yield_stress: NonNegative = 0.0
    hardening: float = 0.0
    xi: float = 0.0
    friction_angle: Annotated[float, msgspec.Meta(ge=0, lt=90)] = 25.0
    plastic_viscosity: NonNegative = 0.0
    softening: NonNegative = 0.1
    bulk_modulus: Positive | None = None
    rpic_damping: float = 0.0
    grid_v_damping_scale: Positive = 1.1
    additional_material_params: tuple[MaterialBox, ...] = ()
    particle_filling: Filling | None = None
    boundary_conditions: tuple[Boundary, ...] = ()

    @property
    def spacing(self) -> float:
        """Edge [m] of a cell."""
        return self.grid_lim / self.n_grid

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return self.frame_dt * self.frame_num


def read_config(path: Path) -> tuple[Config, tuple[str, ...]]:
    """Read a JSON file; return it, and what of it is not known or not used, in sentences.

    Raises ShotError naming the file and the key.
    """
    try:
        given = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ShotError(str(path), f"expected a JSON configuration, got: {error}.") from error
    if not isinstance(given, dict):
        raise ShotError(str(path), f"expected an object of keys, got {type(given).__name__}.")
    return config_of(given, str(path))


def config_of(given: Mapping[str, Any], where: str) -> tuple[Config, tuple[str, ...]]:
    """Return the configuration of these keys, and what of them is not known or not used."""
    told: list[str] = []
    plain = _spelt(given, told)
    used = {key: value for key, value in plain.items() if key in Config.__struct_fields__}
    for key in plain.keys() - used.keys() - CAMERA - UNUSED - {"particle_filling"}:
        told.append(f"{key}: not a key that is known; left out.")
    if camera := sorted(plain.keys() & CAMERA):
        told.append(f"{', '.join(camera)}: the shot's own camera is used.")
    for key in sorted(plain.keys() & UNUSED):
        told.append(f"{key}: PhysGaussian reads it and never uses it.")
    return converted(used, Config, where), tuple(told)


def _spelt(given: Mapping[str, Any], told: list[str]) -> dict[str, Any]:
    """Return keys as they should be spelt, here and in the objects below."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        plain = SPELLINGS.get(key, key)
        if plain in found and found[plain] != value:
            told.append(f"{plain}: given in both spellings; {key}, the one that is read, counts.")
        if key in SPELLINGS or plain not in found:
            found[plain] = _spelt(value, told) if isinstance(value, dict) else value
    return found
