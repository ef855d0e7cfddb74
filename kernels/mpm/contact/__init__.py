"""Bodies that meet on the grid: who shares a layer of it, and what happens where layers meet."""
