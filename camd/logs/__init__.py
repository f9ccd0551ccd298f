"""What camd logs: in which form, from which level on, with which secrets left out.

twistd asks the application for an observer of its own before it makes one; camd gives
it :class:`camd.logs.observer.LogObserver`, whose lines go where twistd's would.
"""
