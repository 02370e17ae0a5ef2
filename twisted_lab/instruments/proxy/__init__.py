"""
The fault proxy: it stands between clients and a server, and has the bytes pass faults.

``link.py`` is a connection, ``sides.py`` its two ends, ``way.py`` one direction of it, ``shortcut.py`` what is done
where there is no fault; ``proxy.py`` listens, ``collection.py`` holds all proxies, ``api.py`` is toxiproxy's HTTP API
over them.
"""
