"""The command ``twisted-lab``: one module a verb, imported only when that verb is used."""
