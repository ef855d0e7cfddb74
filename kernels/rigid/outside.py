"""What acts on rigid bodies from outside, substep by substep; called by world.

As for particles (mpm.forces), what acts in a substep covers the time from the middle of the last
one to the middle of this one, so that windows get their share to the last bit of a second. A field
acts at the centre of mass, with the acceleration that it gives a particle there: it does not turn.
"""

import numpy as np
from numpy.typing import NDArray

from ..fields import pushed
from ..mpm.input import Push

Reals = NDArray[np.float64]


class Outside:
    """Pushes, impulses and fields of one world's intervals."""

    def __init__(self) -> None:
        self.clock = np.zeros(2)
        "Seconds at which the last interval ends, and up to which pushes have pushed."
        self._start = 0.0

    def gained(
        self, push: Push, place: tuple[float, float, float, float], mass: Reals, state: Reals
    ) -> Reals:
        """Return momentum [N s] and its moment [N m s] that each body gains, (n, 6).

        `place` is the interval's length, the seconds of it that are done, this substep's length
        and the last one's; `mass` (n, 1) kg; `state` (n, 6) centre of mass [m] and velocity [m/s].
        A new interval begins where nothing of it is done.
        """
        seconds, done, dt, last = place
        if done == 0:
            self._start, self.clock[0] = self.clock[0], self.clock[0] + seconds
        middle = self._start + done + dt / 2
        span, self.clock[1] = (float(self.clock[1]), middle), middle
        result = np.zeros((len(mass), 6))
        for item in push.rigid_pushes:
            share = min(span[1], item.end) - max(span[0], item.start)
            if share > 0:
                result[item.region] += share * np.concatenate(item.at(done / seconds))
        for impulse in push.rigid_impulses:
            if span[0] <= impulse.time < span[1]:
                result[impulse.region] += np.concatenate([impulse.linear, impulse.angular])
        if push.fields:
            at, velocity = state[:, :3], state[:, 3:]
            after = pushed(push.fields, done / seconds, at, velocity, (last + dt) / 2)
            result[:, :3] += mass * (after - velocity)
        return result
