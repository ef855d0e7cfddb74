"""PhysGaussian's JSON configurations as parts of a shot, with what differs told.

Written from a description of the format, not from its code. A configuration speaks of a cube of
`grid_lim` metres in which the object, `scale` metres long, stands about (1, 1, 1).
"""
