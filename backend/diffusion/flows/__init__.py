"""Motion made in the plane of the picture: analytic, simulated, brought, or estimated."""
