"""The suites of `impetus evaluate`, by name."""

from pathlib import Path
from typing import Any, cast

import msgspec

from ..contract.errors import ImpetusError
from ..training.packages import LEARNING, RESEARCH, require

NAMES = ("reliability", "physics", "motion", "flow-network", "motion-guidance", "motioncraft",
         "diffusion-speed", "raster-speed", "tiny-model", "latent-flow", "fit", "lift")  # fmt: skip
NETWORKS = ("flow-network", "tiny-model", "latent-flow")
PLAIN = ("reliability", "physics", "motion", "raster-speed")
"What torch has no part in."
DIFFUSED = ("motioncraft", "motion-guidance")


class UnknownSuiteError(ImpetusError):
    """Raised for a name that no suite has."""

    code = "UNKNOWN_SUITE"


def run_suite(
    name: str, out: Path, *, shot: Path | None, device: str, quick: bool = False,
    blender: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run a suite; plots go to `out`. `quick` leaves out what takes long, where a suite can.

    Raises UnknownSuiteError, PackagesMissingError, ImpetusErrors of the suite.
    """
    if name not in NAMES:
        raise UnknownSuiteError(
            f"Expected one of {', '.join(NAMES)}, got {name!r}.", "Choose one of these."
        )
    require(RESEARCH if name in PLAIN else RESEARCH | LEARNING)
    out.mkdir(parents=True, exist_ok=True)
    if name == "reliability":
        from .reliability.suite import run as run_reliability

        return run_reliability(out, shot=shot)
    if name == "diffusion-speed":
        from .speed.diffusion import run as run_diffusion_speed

        return run_diffusion_speed(out, device)
    if name in NETWORKS:
        return _run_network(name, out, device, quick=quick)
    from ..stages.device import DeviceName, start_device

    start_device(cast(DeviceName, device))
    if name == "lift":
        from .lift.suite import run as run_lift

        return run_lift(out, quick=quick)
    if name == "raster-speed":
        from .speed.raster_scaling import run as run_raster_speed

        return run_raster_speed(out)
    if name == "physics":
        from .physics.suite import run as run_physics

        return run_physics(out)
    if name == "fit":
        from .fit.suite import run as run_fit

        return run_fit(out, quick=quick, blender=blender)
    if name in DIFFUSED:
        return _run_diffused(name, out, device, quick=quick)
    from .motion.suite import run as run_motion

    return run_motion(out)


def as_json(results: dict[str, Any]) -> bytes:
    """Write what a suite returns, NumPy's numbers too, for people and programs to read."""
    text = msgspec.json.encode(results, enc_hook=lambda number: number.item())
    return msgspec.json.format(text, indent=2)


def _run_network(name: str, out: Path, device: str, *, quick: bool) -> dict[str, Any]:
    if name == "flow-network":
        from .networks.flow_network import run as run_flow_network

        return run_flow_network(out, device=device)
    if name == "tiny-model":
        from .networks.tiny_model import run as run_tiny_model

        return run_tiny_model(out, device=device, quick=quick)
    from .networks.latent_flow import run as run_latent_flow

    return run_latent_flow(out, device=device, quick=quick)


def _run_diffused(name: str, out: Path, device: str, *, quick: bool) -> dict[str, Any]:
    if name == "motioncraft":
        from .motioncraft.suite import run as run_motioncraft

        return run_motioncraft(out, device=device, quick=quick)
    from .motion_guidance.suite import run as run_motion_guidance

    return run_motion_guidance(out, device=device, quick=quick)
