"""The command ``filexfer``: one module a verb or group of verbs, imported only when one of them is used."""
