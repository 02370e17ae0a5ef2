"""The twistd plugins: ``Options`` and ``makeService``, one module a plugin."""
