"""Rigid bodies: exact masses, free motion, contacts; and their meeting with the MPM grid."""
