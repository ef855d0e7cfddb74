"""Every error that a person may see: what was expected and what came, then what to do.

ImpetusError
├── ShotError            a shot, or something in it, cannot be made as it stands
├── CaptureError         a file of splats or points is not what it should be
├── LiftError            a picture cannot become a body as it stands
├── ModelError           a folder or file of weights is not what it should be
├── TrainingDataError    made data is not where or what it should be, or cannot be made
├── SimulationError      the physics left the range in which it is right
├── ResourceError        memory, disk or device is not enough
│   ├── MemoryShortError
│   └── DiskFullError
├── LinkError            the two sides cannot talk
│   ├── VersionError
│   ├── RefusedError
│   └── MessageError
├── UnknownJobError
├── UnknownTakeError
├── CancelledError       somebody asked for the end
└── InternalError        a defect of Impetus
"""

from typing import ClassVar


class ImpetusError(Exception):
    """An error with a code for programs, a sentence and a remedy for people."""

    code: ClassVar[str] = "ERROR"

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(f"{sentence} {remedy}".strip())
        self.sentence = sentence
        self.remedy = remedy


class ShotError(ImpetusError):
    """Raised where a shot is checked; `where` names object and field as the artist knows them."""

    code = "BAD_SHOT"

    def __init__(self, where: str, sentence: str, remedy: str = "") -> None:
        super().__init__(f"{where}: {sentence}", remedy)
        self.where = where


class CaptureError(ImpetusError):
    """Raised before anything of the file is kept: its name, what it is, what it should be."""

    code = "BAD_CAPTURE"


class LiftError(ImpetusError):
    """Raised where a picture and what comes with it is read: what it is, what it should be."""

    code = "BAD_PICTURE"


class ModelError(ImpetusError):
    """Raised before a model is used: where it lies, what it is, what it cannot do."""

    code = "BAD_MODEL"


class TrainingDataError(ImpetusError):
    code = "BAD_TRAINING_DATA"


class SimulationError(ImpetusError):
    code = "SIMULATION"


class ResourceError(ImpetusError):
    code = "RESOURCE"


class MemoryShortError(ResourceError):
    code = "OUT_OF_MEMORY"


class DiskFullError(ResourceError):
    code = "DISK_FULL"


class LinkError(ImpetusError):
    code = "LINK"


class VersionError(LinkError):
    code = "VERSION"


class RefusedError(LinkError):
    code = "REFUSED"


class MessageError(LinkError):
    code = "BAD_MESSAGE"


class UnknownJobError(ImpetusError):
    code = "UNKNOWN_JOB"


class UnknownTakeError(ImpetusError):
    code = "UNKNOWN_TAKE"


class CancelledError(ImpetusError):
    code = "CANCELLED"


class InternalError(ImpetusError):
    code = "INTERNAL"


def all_errors() -> dict[str, type[ImpetusError]]:
    """Map each code to its class, the whole tree."""
    found: dict[str, type[ImpetusError]] = {}
    waiting: list[type[ImpetusError]] = [ImpetusError]
    while waiting:
        error = waiting.pop()
        found[error.code] = error
        waiting.extend(error.__subclasses__())
    return found
