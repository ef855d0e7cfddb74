"""What diffusion does with a shot's frames: the methods, with their papers' constants as defaults.

Sources: MotionCraft, Aira et al., NeurIPS 2024, arXiv 2405.13557; Motion Guidance, Geng and Owens,
ICLR 2024, arXiv 2401.18085.
"""

from typing import Annotated, Literal

import msgspec

from .arrays import ArrayRef
from .edits import AuthoredMotion
from .image_motions import FileMotion, Motion, ShotMotion, VideoMotion
from .part import Fraction, FrameNumber, NonNegative, Part

Prompt = Annotated[str, msgspec.Meta(max_length=2000)]
ModelName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]+$(?!\n)")
]
Steps = Annotated[int, msgspec.Meta(ge=1, le=1000)]
UGLY = (
    "poorly drawn,cartoon, 2d, disfigured, bad art, deformed, poorly drawn, extra limbs, close up, "
    "b&w, weird colors, blurry"
)
"MotionCraft's negative prompt."


class NoMethod(Part, frozen=True, tag="none"):
    """No diffusion: the beauty is the render."""


class RenderStart(Part, frozen=True, tag="render"):
    """Start from the shot's own render of a frame."""

    frame: FrameNumber | None = None
    "The shot's first frame where absent."


class PictureStart(Part, frozen=True, tag="picture"):
    """Start from a picture, scaled and cropped to the film."""

    image: ArrayRef
    "u1 (H, W, 3 or 4), sRGB."


class GeneratedStart(Part, frozen=True, tag="generated"):
    """Start from a picture that the model makes of the prompt."""

    steps: Steps = 50
    guidance: NonNegative = 7.5


Start = RenderStart | PictureStart | GeneratedStart


class Novelty(Part, frozen=True):
    """Where a frame shows what the last one did not, and noise may become something new.

    The spatial eta of the paper, by rule: `ceiling` there, `floor` elsewhere.
    """

    out_of_frame: bool = True
    disoccluded: bool = True
    active: bool = True
    "Where matter moves that the last frame does not determine: smoke, liquid."
    floor: Fraction = 0.0
    ceiling: Fraction = 1.0
    mask: ArrayRef | None = None
    "u1 (H, W): novel in every frame (not 0), whatever the rules say."


class MotionCraft(Part, frozen=True, tag="motioncraft"):
    """Every frame is the last one's noisy latent, moved by the motion field, denoised again."""

    prompt: Prompt = ""
    negative_prompt: Prompt = UGLY
    model: ModelName = "tiny"
    start: Start = RenderStart()
    motion: Motion = ShotMotion()
    steps: Steps = 200
    "Of the whole grid from noise to picture; tau / 1000 of them are run."
    tau: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 400.0
    "Up to where a frame is noised, on the scale of 1000 training steps."
    guidance: NonNegative = 7.5
    attention: Literal["first+previous", "first", "previous", "none"] = "first+previous"
    "Which frames the new one's self-attention reads instead of itself (none: itself)."
    attend_to_itself: bool = False
    "Whether the new frame reads itself as well."
    reinvert: bool = True
    "Whether the made frame is inverted again for the next; else the moved noise is moved on."
    inversion_rounds: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    "Predictions for each step of an inversion; more than the paper's one make it more exact."
    warp: Literal["nearest", "bilinear", "cubic"] = "nearest"
    restore_variance: bool = False
    """Whether a bilinear or cubic warp is made as noisy again as what it blends. What is fine in
    the picture gets stronger, too, in every frame: not for takes of more than a dozen."""
    backward: Literal["exact", "semi-lagrangian"] = "exact"
    "How the forward field is turned round; the paper's way takes it at the destination."
    carry_residual: bool = True
    "Whether motion below one latent cell is kept for later frames; the paper loses it."
    settle_picture: bool = True
    "Whether the finished picture is moved by what whole cells could not take of a carried motion."
    carry_detail: bool = False
    "Whether what the autoencoder loses of the start picture is carried along into the frames."
    follow: Fraction = 0.0
    """How far each made frame is drawn to its own render before the next is made of it. Not of the
    paper, whose frames know the start picture alone, and drift. Detail and fillings are the
    render's then as well."""
    fill: Literal["motion", "surroundings"] = "motion"
    """What came into the frame or was hidden begins from: what its motion leads to, as published,
    even what hid it; or pieces of its own surface beside it."""
    novelty: Novelty = Novelty()
    posterior: Literal["sample", "mode"] = "sample"
    "What of the encoder's distribution the start picture becomes."


class GuidanceTerms(Part, frozen=True):
    """The energy of Motion Guidance: flow_weight |f - F| + color_weight |M (src - warp(pred))|."""

    flow_weight: NonNegative = 3.0
    color_weight: NonNegative = 100.0
    flow_iterations: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    target_flow_warp: bool = False
    "Whether the colour term warps by the target flow instead of the estimated one."
    occlusion_mask: bool = True
    "Whether the colour term leaves out what the moving things cover."
    flow_network: ModelName = "flow"


class MotionGuidance(Part, frozen=True, tag="motion_guidance"):
    """A picture is edited until the flow from source to edit is the wanted one.

    Each frame is an edit of its own: with the shot's motion, of the source frame into this frame.
    """

    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    model: ModelName = "tiny"
    start: Start = RenderStart()
    motion: ShotMotion | AuthoredMotion | FileMotion | VideoMotion = ShotMotion()
    steps: Steps = 500
    guidance: NonNegative = 7.5
    recursions: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    weight: NonNegative = 300.0
    schedule: tuple[NonNegative, ...] = (1.0,)
    "Factors of the weight over the steps, noisiest first; resampled to any number of steps."
    clip: NonNegative = 200.0
    "Largest norm of the guidance in one step; 0 for none."
    terms: GuidanceTerms = GuidanceTerms()
    edit_mask: bool = True
    "Whether what lies away from the edit is copied from the source at every step."
    editable: ArrayRef | None = None
    "u1 (H, W): what may change (not 0); where things were and where they land where absent."
    dilation: NonNegative = 10.0
    "Pixels by which the editable area is grown."
    gradient: Literal["full", "conditional", "estimate"] = "full"
    "Through both branches of the network, through the conditional one, or through x0 alone."
    decoder: Literal["full", "tiny"] = "full"
    "What decodes the estimate inside the energy; the picture itself is always decoded in full."
    hard_warp_start: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    "Start from the moved picture noised to this share of the way, instead of from noise."
    carry_detail: bool = False
    "Carry what the autoencoder loses of the source along the motion, where the edit followed it."
    low_memory: bool = False
    "Compute inner values of networks twice instead of keeping them; done anyway when memory ends."


Method = NoMethod | MotionCraft | MotionGuidance
