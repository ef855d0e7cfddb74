"""The splats themselves in the 3D views: asked for as an artist looks, drawn among the objects.

A draw handler notes where each 3D view looks from, and draws the newest picture that came, with the
depth of its splats, so that objects hide splats and splats hide objects. What it asks goes to a
thread that knows nothing of bpy (watcher), and from there to the backend's viewer, a process beside
the worker; the window waits for none of them. While a view moves, pictures are coarse, so that they
come ten times a second; the last one is drawn as points in space until the next is there, so that
splats stay where they are. When it holds still a fine one is asked for. The timer that carries
pictures over runs only as long as one is awaited. Without a backend, points are drawn.
"""
