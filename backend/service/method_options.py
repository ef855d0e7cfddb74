"""What is given on the command line, over what the shot file says: method, and what leaves."""

from dataclasses import dataclass

import msgspec

from ..contract.errors import ShotError
from ..contract.method_presets import KINDS, preset_method
from ..contract.methods import Method, MotionCraft, MotionGuidance, NoMethod
from ..contract.ranges import check_ranges
from ..contract.shot import Shot, SimulationSettings

NO_METHOD = "none"
KEPT = ("prompt", "negative_prompt", "model", "start", "motion")
"What of the shot's own method stays when only its settings are chosen anew."


@dataclass(frozen=True)
class MethodOptions:
    """What was given of a method; None leaves what the shot says."""

    method: str | None = None
    preset: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    model: str | None = None

    def over(self, own: Method) -> Method:
        """Return the method to use for a shot whose own is `own`. Raises ShotError."""
        if self.method == NO_METHOD:
            return NoMethod()
        method = own
        if self.method is not None or self.preset is not None:
            method = self._preset(own)
        words = {
            name: value
            for name in ("prompt", "negative_prompt", "model")
            if (value := getattr(self, name)) is not None
        }
        if isinstance(method, NoMethod):
            if words:
                raise ShotError(
                    "Method",
                    f"expected a method for the {next(iter(words)).replace('_', ' ')}, got none.",
                    f"Add --method {' or --method '.join(KINDS)}.",
                )
            return method
        return _checked(msgspec.structs.replace(method, **words))

    def _preset(self, own: Method) -> MotionCraft | MotionGuidance:
        kind = self.method
        if kind is None and self.preset is not None and "_" not in self.preset:
            kind = None if isinstance(own, NoMethod) else str(own.__struct_config__.tag)
        method = preset_method(kind, self.preset)
        if type(method) is not type(own):
            return method
        return msgspec.structs.replace(method, **{name: getattr(own, name) for name in KEPT})


@dataclass(frozen=True)
class ShotOptions:
    """All that was given; None leaves what the shot says."""

    method: MethodOptions = MethodOptions()
    leaving: str | None = None
    "See SimulationSettings."

    def over(self, shot: Shot) -> Shot:
        """Return the shot to make of `shot`. Raises ShotError."""
        simulation = shot.simulation
        if self.leaving is not None:
            given = msgspec.to_builtins(simulation) | {"leaving": self.leaving}
            try:
                simulation = msgspec.convert(given, SimulationSettings)
            except msgspec.ValidationError as err:
                raise ShotError(
                    "Leaving", f"expected clip, grow or stop, got {self.leaving!r}.", "Choose one."
                ) from err
        method = self.method.over(shot.method)
        return msgspec.structs.replace(shot, method=method, simulation=simulation)


def _checked(method: MotionCraft | MotionGuidance) -> MotionCraft | MotionGuidance:
    """Hold names and texts to the rules of shots, which a replaced field has not passed."""
    check_ranges(method, "Method")
    return method
