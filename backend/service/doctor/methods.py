"""What methods have to run on: torch, its device and precision, models and the flow network."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ...contract.errors import ImpetusError
from ...contract.keys import user_folder
from .finding import Finding

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
BUILT_IN = "tiny"
INSTALL = "Methods need it: install the extra impetus[diffusion]."
STABLE_DIFFUSION, USUAL_SIDE = 1_066_000_000, 512
"Numbers in all parts of Stable Diffusion 1.5, and the side of its pictures."


def examine_methods() -> Iterator[Finding]:
    """Yield what there is to know, as it is found."""
    missing = False
    for name in PACKAGES:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            missing = True
            yield Finding(name, "not installed", "info", INSTALL)
    if missing or find_spec("torch") is None:
        return
    yield from _device()
    yield from _models()
    yield _flow_network()


def _device() -> Iterator[Finding]:
    """Tell the device, and the choices for a model of the usual size."""
    from ...diffusion.determinism import settle
    from ...diffusion.precision import choose_precision

    try:
        chosen = choose_precision(STABLE_DIFFUSION, USUAL_SIDE, USUAL_SIDE)
    except ImpetusError as err:
        yield Finding("Diffusion", err.sentence, "bad", err.remedy)
        return
    yield Finding("Diffusion", f"on {chosen.device.type}, {settle()}")
    yield Finding("Precision", " ".join(chosen.reasons).rstrip("."))
    if chosen.device.type == "cpu":
        yield Finding(
            "Speed", "no GPU for diffusion: a frame of Stable Diffusion takes many minutes", "slow",
            "Use the model tiny, small films and the fast presets.",
        )  # fmt: skip


def _models() -> Iterator[Finding]:
    from ...diffusion.model_folder import find_model, list_models, read_model_folder

    names = sorted({BUILT_IN, *list_models()})
    for name in names:
        try:
            model = read_model_folder(find_model(name))
        except ImpetusError as err:
            yield Finding(f"Model {name}", err.sentence, "info", err.remedy)
            continue
        size = sum(path.stat().st_size for path in model.path.rglob("*.safetensors"))
        few = ", distilled for few steps" if model.latent_consistency else ""
        yield Finding(f"Model {name}", f"{model.kind}, {size / 1e6:,.0f} MB{few}")
    if len(names) == 1:
        yield Finding("Models", f"none of your own in {user_folder() / 'models'}", "info")


def _flow_network() -> Finding:
    from ...diffusion.raft.published import find_weights

    try:
        path: Path = find_weights("flow", user_folder() / "models")
    except ImpetusError as err:
        return Finding("Flow network", err.sentence, "info", err.remedy)
    return Finding("Flow network", f"{path.stat().st_size / 1e6:.1f} MB")
