"""What a method costs, counted before anything runs: evaluations of the diffusion network."""

import bpy

from .guidance_properties import ImpetusMotionGuidance
from .motioncraft_properties import ImpetusMotionCraft
from .properties import ImpetusDiffusion

REFERENCES = {"FIRST+PREVIOUS": 2, "FIRST": 1, "PREVIOUS": 1, "NONE": 0}
"Pictures that are denoised beside the new one, without guidance, for it to look at."


def walked_steps(settings: ImpetusMotionCraft) -> int:
    """Return the steps that MotionCraft takes from its noise down to the picture."""
    return round(settings.tau * settings.steps / 1000)


def per_frame(diffusion: ImpetusDiffusion) -> int:
    """Return how often the network is evaluated for one frame, at most: much may be kept."""
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
    if diffusion.method == "MOTION_GUIDANCE":
        total += _guided_steps(diffusion.motion_guidance)  # the source's way to noise
    if diffusion.start == "GENERATED":
        total += diffusion.start_steps * _halves(diffusion.start_guidance)
    return total


def _motioncraft(settings: ImpetusMotionCraft) -> int:
    denoised = REFERENCES[settings.attention] + _halves(settings.guidance)
    inverted = settings.inversion_rounds if settings.reinvert else 0
    return walked_steps(settings) * (denoised + inverted)


def _motion_guidance(settings: ImpetusMotionGuidance) -> int:
    return _guided_steps(settings) * settings.recursions * _halves(settings.guidance)


def _guided_steps(settings: ImpetusMotionGuidance) -> int:
    return round(settings.steps * (settings.hard_warp_start if settings.use_hard_warp else 1.0))


def _halves(guidance: float) -> int:
    """Guidance asks the network twice: with the prompt and without it."""
    return 1 if guidance == 1.0 else 2
