"""Constitutive laws: what deformation becomes which stress; called from gather.

F deformation gradient, J = det F, b = F F^T, V = sqrt(b) left stretch, tau = J sigma Kirchhoff
stress [Pa], dev its deviator, psi energy per rest volume [J/m^3], mu, lambda Lamé parameters,
K = lambda + 2 mu / 3 bulk modulus [Pa], epsilon = log of the principal stretches (Hencky strain).
What a particle keeps in `deformation`, and the number that it keeps in `history`:

elastic     F
rubber      F
metal       elastic F; alpha, the plastic strain of a bar under tension
plasticine  elastic F; alpha
brittle     F; the largest tensile strain so far
sand        V, as rotations do not enter its stress; the volumetric strain gained in tension
snow        elastic V; J_P - 1
cream       elastic b
water       J in F[0, 0]
"""
