"""A rounded height over a silhouette: the square of it solves Poisson's equation.

With laplace(u) = -4 and u = 0 on the silhouette, the height sqrt(u) over a disc is that of a
sphere, over an ellipse that of an ellipsoid, and every form meets its mirror image smoothly at its
rim. (The form of Prasad and Fitzgibbon, Single View Reconstruction of Curved Surfaces, 2006, is
near to it.) The silhouette cuts the lattice between nodes, and the equation knows where: ghost
values of Gibou et al., A Second-Order-Accurate Symmetric Discretization of the Poisson Equation on
Irregular Domains, 2002.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from .lattice import NEIGHBOURS, Bools, Doubles, Lattice


def inflated(lattice: Lattice) -> Doubles:
    """Return squared heights (rows, columns) in steps^2; 0 outside the silhouette."""
    passes, share = lattice.outside_neighbours()
    return _solved(lattice.inside, passes, share, np.where(lattice.inside, 4.0, 0.0))


def harmonic(inside: Bools, fixed: Bools, value: Doubles) -> Doubles:
    """Spread `value` from the nodes that are `fixed` to the others `inside` as smoothly as it goes.

    Laplace's equation; all (rows, columns). Parts of the inside without a fixed node are 0.
    """
    free = inside & ~fixed
    load = np.zeros(inside.shape)
    held = np.where(fixed, value, 0.0)
    for down, right in NEIGHBOURS:
        load += np.roll(held, (-down, -right), (0, 1))
    # Nodes outside take no part: their neighbours have fewer.
    none = np.stack([free & ~np.roll(inside, (-d, -r), (0, 1)) for d, r in NEIGHBOURS])
    found = _solved(free, none, np.full(none.shape, np.inf), np.where(free, load, 0.0))
    return np.where(fixed, value, found)


def beyond(lattice: Lattice, squared: Doubles) -> Doubles:
    """Continue squared heights beyond the silhouette, so that they cross zero on it.

    A node outside takes the mean of what its neighbours inside foretell; nodes farther out are
    only negative.
    """
    passes, share = lattice.outside_neighbours()
    total, count = np.zeros(squared.shape), np.zeros(squared.shape)
    for k, (down, right) in enumerate(NEIGHBOURS):
        ghost = np.where(passes[k], -(1 - share[k]) / share[k] * squared, 0.0)
        total += np.roll(ghost, (down, right), (0, 1))
        count += np.roll(passes[k], (down, right), (0, 1))
    far = -np.maximum(1.0, -lattice.distance)
    continued = np.where(count > 0, total / np.maximum(count, 1), far)
    return np.where(lattice.inside, squared, np.minimum(continued, -1e-9))


def _solved(unknown: Bools, passes: Bools, share: Doubles, load: Doubles) -> Doubles:
    """Solve -laplace(u) = load [per step^2] where `unknown`, u = 0 where the silhouette passes.

    A share of +inf lets nothing through there (no flux).
    """
    index = np.full(unknown.shape, -1)
    index[unknown] = np.arange(int(unknown.sum()))
    rows, columns, values = [], [], []
    diagonal = np.zeros(int(unknown.sum()))
    for k, (down, right) in enumerate(NEIGHBOURS):
        there = np.roll(index, (-down, -right), (0, 1))
        diagonal += np.where(passes[k], 1 / share[k], 1.0)[unknown]
        joined = unknown & (there >= 0)
        rows.append(index[joined])
        columns.append(there[joined])
        values.append(np.full(int(joined.sum()), -1.0))
    own = np.arange(len(diagonal))
    rows, columns, values = [*rows, own], [*columns, own], [*values, diagonal]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    matrix = coo_array(entries, shape=(len(own), len(own))).tocsc()
    result = np.zeros(unknown.shape)
    result[unknown] = splu(matrix).solve(load[unknown])
    return result
