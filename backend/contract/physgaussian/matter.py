"""PhysGaussian's materials as ours: the same law where there is one, and what differs.

theirs: |dev tau| against tau_Y in the Frobenius norm, flow in the same norm. Ours: a bar's
sigma_Y, |dev tau| = sqrt(2/3) sigma_Y, and its plastic strain, sqrt(2/3) of that norm.
"""

import math

from ..errors import ShotError
from ..materials import Cream, Elastic, Material, Metal, Plasticine, Sand, Snow, Water
from .config import Config

MOST_POISSON = 0.49
"Ours must lie below 0.5; theirs may be 0.5, where lambda has no end."
LARGEST_TEAR = 100.0
"Plastic strain at which ours is torn at most."
LIQUID_GAMMA = 1.1
"Exponent of the pressure of warp-mpm's liquid."


def material_of(config: Config) -> tuple[Material, tuple[str, ...]]:
    """Return the material, and what differs in sentences. Raises ShotError for one that is none."""
    told = []
    nu = min(config.nu, MOST_POISSON)
    if nu != config.nu:
        told.append(f"nu: {config.nu} leaves no compression at all; {nu} is used.")
    elastic = {"density": config.density, "young_modulus": config.E, "poisson_ratio": nu}
    mu = config.E / (2 * (1 + nu))
    match config.material:
        case "jelly":
            return Elastic(**elastic), tuple(told)
        case "metal":
            told += _hencky("metal")
            hardening = 3 * mu * config.xi if config.hardening else 0.0
            sigma = math.sqrt(1.5) * _yield(config)
            metal = Metal(**elastic, yield_stress=sigma, hardening_modulus=hardening)
            return metal, tuple(told)
        case "sand":
            told.append("sand: volume that tension opens is remembered here, and is not there.")
            angle = math.radians(config.friction_angle)
            return Sand(**elastic, friction_angle=angle), tuple(told)
        case "foam":
            told += _hencky("foam")
            # |s| - sqrt(2/3) tau_Y = eta |D_p|: in simple shear tau = tau_Y / sqrt 3 + eta / 2 g
            return Cream(
                **elastic, yield_stress=config.yield_stress,
                consistency=config.plastic_viscosity / 2, flow_index=1.0,
            ), tuple(told)  # fmt: skip
        case "snow":
            told.append("snow: PhysGaussian has no law for it (dust without stress); ours is used.")
            return Snow(**elastic), tuple(told)
        case "plasticine":
            told.append(
                "plasticine: Hencky elastic here, fixed corotated there; what presses does not "
                "wear it here."
            )
            return _plasticine(config, elastic, told), tuple(told)
    return _liquid(config, told), tuple(told)


def _yield(config: Config) -> float:
    if config.yield_stress <= 0:
        raise ShotError(
            "yield_stress",
            f"expected more than 0 Pa for {config.material}, got {config.yield_stress:g}: "
            "PhysGaussian's default, with which nothing holds together.",
            "Give one, such as a hundredth of E.",
        )
    return config.yield_stress


def _plasticine(config: Config, elastic: dict[str, float], told: list[str]) -> Plasticine:
    tau = _yield(config)
    if config.softening <= 0:
        raise ShotError(
            "softening", f"expected more than 0 for plasticine, got {config.softening:g}.",
            "Give one, or use metal, which does not soften.",
        )  # fmt: skip
    tear = math.sqrt(2 / 3) * tau / config.softening
    if tear > LARGEST_TEAR:
        told.append(
            f"softening: so small that it never tears; {LARGEST_TEAR:g} is used of {tear:.3g}."
        )
    tear = min(tear, LARGEST_TEAR)
    return Plasticine(**elastic, yield_stress=math.sqrt(1.5) * tau, tear_strain=tear)


def _liquid(config: Config, told: list[str]) -> Water:
    bulk = config.bulk_modulus
    if bulk is None:
        bulk = config.E / (3 * (1 - 2 * min(config.nu, MOST_POISSON)))
        told.append(f"bulk_modulus: not given; {bulk:.3g} Pa follows from E and nu.")
    told.append("fluid: no viscosity there; water's here.")
    # theirs: p = K (J^-1.1 - 1); ours: p = K' / gamma (J^-gamma - 1)
    return Water(
        density=config.density, bulk_modulus=LIQUID_GAMMA * bulk, gamma=LIQUID_GAMMA
    )  # fmt: skip


def _hencky(name: str) -> list[str]:
    return [
        f"{name}: PhysGaussian's stress has a factor of the stretch too much at large strain; "
        "ours is the derivative of its energy."
    ]
