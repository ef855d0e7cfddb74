"""What a method works from: the shot, its renders, the models found, and where to keep things."""

from dataclasses import dataclass
from pathlib import Path

from ...contract.arrays import ArraySet
from ...contract.shot import Shot
from ..progress import StageClock
from ..renders import Renders
from .needs import Needs


@dataclass(frozen=True)
class MethodInput:
    """One shot's; `cache` is the folder of all stages."""

    shot: Shot
    arrays: ArraySet
    needs: Needs
    renders: Renders
    cache: Path
    clock: StageClock

    @property
    def weights(self) -> tuple[str, ...]:
        """Name by content what is read beside the shot."""
        return self.needs.weights
