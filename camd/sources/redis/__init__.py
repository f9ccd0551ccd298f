"""Redis or Valkey as the engine between camds: connection, clock, entries, camera.

A camd with ``publish`` is an *origin*: it puts each camera's newest picture into a
stream of length one. A camd with a ``redis://`` source is an *edge*: it waits for the
newest entry and shows it. Neither can make the other wait, as there is nothing but the
newest picture to be had (:mod:`camd.fleet` has the origin).

All keys begin with ``camd:``; CAM is a camera's name, and its braces are part of the
key, so that a cluster keeps what is of one camera in one place.

==================  ======  ==========================================================
key                 type    what it holds
==================  ======  ==========================================================
``camd:{CAM}:RUNG`` stream  the newest entry, see :mod:`camd.sources.redis.entries`;
                            gone when nobody wants that rung, or 10 s after the last
``camd:{CAM}:want`` stream  an entry a second from each edge that has a viewer, which
                            names the rungs that it wants; gone 3 s after the last
``camd:seen``       hash    CAM -> what it does, as JSON, written once a second and at
                            each change
==================  ======  ==========================================================
"""
