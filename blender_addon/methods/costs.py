"""What a method costs, counted before anything runs: evaluations of the diffusion network."""

import bpy

from .guidance_properties import ImpetusMotionGuidance
from .motioncraft_properties import ImpetusMotionCraft
from .properties import ImpetusDiffusion

ROWS = {"FIRST+PREVIOUS": 3, "FIRST": 2, "PREVIOUS": 2, "NONE": 1}
"Pictures that are denoised together: the new one, and those that it looks at."


def walked_steps(settings: ImpetusMotionCraft) -> int:
    """Return the steps that MotionCraft takes from its noise down to the picture."""
    return round(settings.tau * settings.steps / 1000)


def per_frame(diffusion: ImpetusDiffusion) -> int:
    """Return how often the network is evaluated for one frame."""
    match diffusion.method:
        case "MOTIONCRAFT":
            return _motioncraft(diffusion.motioncraft)
        case "MOTION_GUIDANCE":
            return _motion_guidance(diffusion.motion_guidance)
    return 0


def whole(diffusion: ImpetusDiffusion, scene: bpy.types.Scene) -> int:
    """Return how often it is evaluated for the shot; the first picture is made, or is there."""
    count = max(scene.frame_end - scene.frame_start, 0)
    total = per_frame(diffusion) * count
    if diffusion.start == "GENERATED":
        total += diffusion.start_steps * _halves(diffusion.start_guidance)
    return total


def _motioncraft(settings: ImpetusMotionCraft) -> int:
    denoised = ROWS[settings.attention] * _halves(settings.guidance)
    return walked_steps(settings) * (denoised + settings.reinvert)


def _motion_guidance(settings: ImpetusMotionGuidance) -> int:
    share = settings.hard_warp_start if settings.use_hard_warp else 1.0
    return round(settings.steps * share) * settings.recursions * _halves(settings.guidance)


def _halves(guidance: float) -> int:
    """Guidance asks the network twice: with the prompt and without it."""
    return 1 if guidance == 1.0 else 2
