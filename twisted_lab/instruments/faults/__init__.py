"""
Faults: what can go wrong with a connection, each defined once, for unit tests in memory and for the fault proxy.

``fault.py`` says what a fault is; ``toxics.py``, ``breakage.py`` and ``messages.py`` are the faults; ``toxic.py`` gives
one a name and a direction; ``pipe.py`` and ``stage.py`` have bytes pass them.
"""
