"""Views and fitted splats as files, `NAME.views` and `NAME.fit`; made as shot files are."""

from pathlib import Path

from ..archive import read_archive, write_archive
from ..arrays import ArraySet
from .fitted import Fitted, check_fitted
from .views import AGAIN, Views, check_views


def write_views(path: Path, views: Views, arrays: ArraySet) -> None:
    """Write views and the arrays that they refer to, whole or not at all."""
    write_archive(path, "views", views, arrays)


def read_views(path: Path) -> tuple[Views, ArraySet]:
    """Read and check views. Raises ShotError when the file is not what it should be."""
    views, arrays = read_archive(path, "views", Views, AGAIN)
    check_views(views, arrays)
    return views, arrays


def write_fitted(path: Path, fitted: Fitted, arrays: ArraySet) -> None:
    """Write fitted splats, whole or not at all."""
    write_archive(path, "fit", fitted, arrays)


def read_fitted(path: Path) -> tuple[Fitted, ArraySet]:
    """Read and check fitted splats. Raises ShotError when the file is not what it should be."""
    fitted, arrays = read_archive(path, "fit", Fitted, "Fit it again.")
    check_fitted(path.name, fitted, arrays)
    return fitted, arrays
