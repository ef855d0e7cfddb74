"""What would keep a shot from being made, told before it is asked for. Cheap: one look at now."""

import bpy

from .diffusion import diffusion_problems
from .problem import Problem
from .scene import scene_problems

__all__ = ["Problem", "problems"]


def problems(scene: bpy.types.Scene) -> list[Problem]:
    """Return what is wrong with the scene as it stands, the worst first."""
    found = [*scene_problems(scene), *diffusion_problems(scene)]
    return sorted(found, key=lambda problem: problem.is_warning)
