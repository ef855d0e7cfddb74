"""One thing that keeps a shot from being made, or will make it look wrong."""

from typing import NamedTuple


class Problem(NamedTuple):
    """`fix` names a repair of operators.IMPETUS_OT_fix, or is empty."""

    where: str
    text: str
    fix: str = ""
    is_warning: bool = False
