"""Captured splats in the chain: what they enclose, how they are carried, what they show."""
