"""A configuration as the parts of a shot: material, frames, domain, gravity, walls, damping."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..materials import Material
from ..outlook.steps import wave_speed
from ..shot import Box, SimulationSettings
from .config import Boundary, BoundingBox, Config, Filling
from .matter import material_of

Floats = NDArray[np.float64]

WALL_CELLS = 3
"Cells between the cube's faces and the walls of a bounding box."
CENTER = 1.0
"m along each axis: where the object stands in the cube."
TURNS = {0: (1, 2), 1: (2, 0), 2: (0, 1)}


@dataclass(frozen=True)
class Placement:
    """How an object comes into the cube: turned, cut out, scaled to `scale` m, set about CENTER."""

    turn: Floats
    "(3, 3), all rotations of the configuration, in order."
    area: tuple[Floats, Floats] | None
    "Low and high corner (3,) of what is simulated, turned, in the object's units."
    scale: float
    opacity_threshold: float

    def matrix(self, points: Floats) -> Floats:
        """Return the map (4, 4) into the cube for an object of these points (n, 3)."""
        turned = points @ self.turn.T
        if self.area is not None:
            inside = ((turned >= self.area[0]) & (turned <= self.area[1])).all(axis=1)
            turned = turned[inside]
        low, high = turned.min(axis=0), turned.max(axis=0)
        factor = self.scale / float((high - low).max())
        result = np.eye(4)
        result[:3, :3] = factor * self.turn
        result[:3, 3] = CENTER - factor * (low + high) / 2
        return result


@dataclass(frozen=True)
class Imported:
    """What a configuration says, in our words; `differences` are sentences."""

    material: Material
    fps: float
    frame_count: int
    "Frames that are simulated after the first."
    simulation: SimulationSettings
    gravity: tuple[float, float, float]
    drag: float
    "1/s by which all velocities fall: what its damping of the grid comes to."
    placement: Placement
    filling: Filling | None
    boundaries: tuple[Boundary, ...]
    "Those that act on the body: see acts."
    config: Config
    differences: tuple[str, ...]


def convert(config: Config, told: tuple[str, ...] = ()) -> Imported:
    """Return a configuration as parts of a shot. Raises ShotError for a material that is none."""
    material, differences = material_of(config)
    found = [*told, *differences, *_steps(config, material)]
    boxes = [each for each in config.boundary_conditions if isinstance(each, BoundingBox)]
    others = tuple(e for e in config.boundary_conditions if not isinstance(e, BoundingBox))
    return Imported(
        material=material,
        fps=1.0 / config.frame_dt,
        frame_count=config.frame_num,
        simulation=_simulation(config, boxes, found),
        gravity=_gravity(config, found),
        drag=_drag(config, found),
        placement=_placement(config),
        filling=config.particle_filling,
        boundaries=others,
        config=config,
        differences=(*found, *_left_out(config)),
    )


def courant(config: Config, material: Material) -> float:
    """Return the cells that the fastest wave runs in one of the configuration's substeps."""
    return wave_speed(material) * config.substep_dt / config.spacing


def _steps(config: Config, material: Material) -> list[str]:
    number = courant(config, material)
    said = f"substep_dt: {config.substep_dt:g} s is a Courant number of {number:.2g}"
    if number > 1:
        return [f"{said}, with which PhysGaussian blows up; ours follows from the CFL condition."]
    return [f"{said}; ours follows from the CFL condition."]


def _simulation(config: Config, boxes: list[BoundingBox], told: list[str]) -> SimulationSettings:
    inset = WALL_CELLS * config.spacing if boxes else 0.0
    cells = config.n_grid - (2 * WALL_CELLS if boxes else 0)
    low, high = (inset,) * 3, (config.grid_lim - inset,) * 3
    for box in boxes:
        if box.start_time > 0 or box.end_time < config.seconds:
            told.append("bounding_box: its walls hold all the time here.")
    if not boxes:
        told.append(
            "bounding_box: none; what leaves the cube is hidden here, where PhysGaussian stops."
        )
    return SimulationSettings(
        resolution=cells, domain=Box(low, high), walls="slip" if boxes else "open"
    )


def _gravity(config: Config, told: list[str]) -> tuple[float, float, float]:
    if isinstance(config.g, tuple):
        return config.g
    told.append(f"g: one number, where PhysGaussian needs three; {config.g:g} m/s^2 downwards.")
    return (0.0, 0.0, -abs(config.g))


def _drag(config: Config, told: list[str]) -> float:
    scale = config.grid_v_damping_scale
    if scale >= 1:
        return 0.0
    rate = -math.log(scale) / config.substep_dt
    told.append(
        f"grid_v_damping_scale: {scale:g} in each substep is a drag of {rate:.3g} a second, "
        "whatever the substep."
    )
    return rate


def _placement(config: Config) -> Placement:
    turn = np.eye(3)
    for degrees, axis in zip(config.rotation_degree, config.rotation_axis, strict=False):
        first, second = TURNS[axis]
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        one = np.eye(3)
        one[first, first], one[first, second] = c, -s
        one[second, first], one[second, second] = s, c
        turn = one @ turn
    area = None
    if config.sim_area is not None:
        bounds = np.array(config.sim_area, np.float64).reshape(3, 2)
        area = bounds[:, 0], bounds[:, 1]
    return Placement(turn, area, config.scale, config.opacity_threshold)


def _left_out(config: Config) -> list[str]:
    told = []
    if config.rpic_damping:
        told.append(f"rpic_damping: {config.rpic_damping:g}; ours is APIC, as 0 is there.")
    for part in config.additional_material_params:
        told.append(
            f"additional_material_params: a body has one material here; E {part.E:g} about "
            f"{part.point} is left out."
        )
    return told
