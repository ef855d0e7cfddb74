"""How many time steps a frame will take, told before any is made; called by prepare."""

from ....kernels.mpm.materials.table import longest_step, viscous_step
from ....kernels.mpm.solver import Domain
from ...contract.errors import ShotError
from ...contract.materials import Rigid, Water
from ...contract.shot import Body, Shot
from .matter import law_of

MANY_SUBSTEPS, MOST_SUBSTEPS = 4_000, 400_000
"A frame that takes more of them at rest is warned of, and refused: it would run for days."


def slow_bodies(shot: Shot, domain: Domain | None) -> tuple[str, ...]:
    """Say which bodies are so stiff or so thick that each frame takes long; raise ShotError."""
    if domain is None:
        return ()
    said = []
    for body in shot.bodies:
        if body.role != "dynamic" or isinstance(body.material, Rigid):
            continue
        step = longest_step(law_of(body.material), domain.spacing)
        count = 1 / shot.frames.fps / step
        takes = f"takes about {count:,.0f} time steps a frame"
        remedy = f"Lower its {_cause(body, domain)}, or the resolution."
        if count > MOST_SUBSTEPS:
            most = f"expected at most {MOST_SUBSTEPS:,} time steps a frame"
            raise ShotError(body.name, f"{most}, but it {takes}.", remedy)
        if count > MANY_SUBSTEPS:
            said.append(f"{body.name}: {takes}. {remedy}")
    return tuple(said)


def _cause(body: Body, domain: Domain) -> str:
    """Name what bounds the step."""
    law = law_of(body.material)
    if isinstance(body.material, Water):
        viscous = viscous_step([law], domain.spacing) <= longest_step(law, domain.spacing)
        return "viscosity" if viscous else "bulk modulus"
    return "Young's modulus"
