"""What a shot's method stands on beside the shot: models, found and told before any long work."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...contract.errors import MemoryShortError, ModelError, ResourceError
from ...contract.image_motions import VideoMotion
from ...contract.keys import user_folder
from ...contract.methods import Method, MotionGuidance, NoMethod
from ...contract.shot import Film
from ...diffusion.model_folder import ModelFolder, find_model, read_model_folder

PACKAGES = ("torch", "diffusers", "transformers")
FACTOR = 8
"Pixels of a latent cell; pictures grow to multiples of it inside."
READ = (".json", ".txt", ".safetensors")
"Configurations, tokenizers, weights."
RECALL = 6.0
"With gradients, what a step works with is kept for the way back: so many times more."


@dataclass(frozen=True)
class Needs:
    """`weights` names by content all that is read beside the shot; nothing for no method."""

    model: ModelFolder | None = None
    guiding_network: Path | None = None
    "The flow network that Motion Guidance's energy looks through."
    motion_network: Path | None = None
    "The one that a video's motion is estimated with."
    weights: tuple[str, ...] = ()


def models_folder() -> Path:
    """Return where this user keeps models."""
    return user_folder() / "models"


def needs_of(method: Method) -> Needs:
    """Find what a method needs, without loading it. Raises ModelError, ResourceError."""
    if isinstance(method, NoMethod):
        return Needs()
    _require_packages()
    model = read_model_folder(find_model(method.model, models_folder()))
    if model.latent_consistency:
        raise ModelError(
            f"Expected a model that can be inverted, {model.name} is distilled for few steps.",
            "Take the model that it was distilled from.",
        )
    guiding = method.terms.flow_network if isinstance(method, MotionGuidance) else None
    estimating = method.motion.network if isinstance(method.motion, VideoMotion) else None
    first, second = _find_network(guiding), _find_network(estimating)
    read = [path for path in (model.path, first, second) if path is not None]
    return Needs(model, first, second, tuple(content_digest(path) for path in read))


def require_memory(needs: Needs, film: Film, device: str, *, gradients: bool) -> None:
    """Raise MemoryShortError, or ResourceError, when the model cannot run on this device.

    A GPU's memory is weighed where the precision is chosen: parts move there one by one if need be.
    """
    import psutil

    from ...diffusion.precision import choose_precision, working_bytes

    assert needs.model is not None
    parts = needs.model.weights.values()
    parameters = sum(part.numbers for part in parts)
    width, height = (-(-side // FACTOR) * FACTOR for side in (film.width, film.height))
    precision = choose_precision(parameters, width, height, device)
    if precision.device.type != "cpu":
        return
    working = 2 * working_bytes(parameters, width, height)  # 32 bit
    needed = 4 * parameters + int(working * (RECALL if gradients else 1.0))
    free = psutil.virtual_memory().available
    if needed > free:
        raise MemoryShortError(
            f"Expected about {needed / 2**30:.1f} GiB of free memory for the model "
            f"{needs.model.name} at {film.width} x {film.height}, found {free / 2**30:.1f} GiB.",
            "Lower the resolution, take a smaller model, or close other programs.",
        )


def _require_packages() -> None:
    """A backend may have been set up without what only methods need."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise ResourceError(
            f"Expected {' and '.join(PACKAGES)} for a method, {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not installed.",
            "Install the extra impetus[diffusion] beside the backend, or choose no method.",
        )


def _find_network(name: str | None) -> Path | None:
    if name is None:
        return None
    from ...diffusion.raft.published import find_weights

    return find_weights(name, models_folder())


def content_digest(path: Path) -> str:
    """Return the sha256 of a file, or of what a model's folder is read for, names included."""
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix in READ)
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        name = file.relative_to(path).as_posix() if file != path else ""
        whole.update(f"{name}\n{content}\n".encode())
    return whole.hexdigest()
