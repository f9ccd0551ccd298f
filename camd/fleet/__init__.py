"""Many camds as one: what an origin puts into Redis, and what an edge finds there.

docs/scaling.md says what for; :mod:`camd.sources.redis` has the keys, and the camera of
an edge.
"""
