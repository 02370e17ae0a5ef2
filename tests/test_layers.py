"""No module imports from a layer above its own: the house stands."""

import ast
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).parents[1] / "twisted_lab"
#: From the ground up; a name that ends in * is a folder. Modules of one line may import each other.
LAYERS = [
    {"wire*"},
    {"net*"},
    {"echo", "filexfer*", "header", "header_connection", "header_service", "specimen"},
    {"models*"},
    {"instruments*"},
    {"testing"},
    {"experiments*"},
    {"tap*"},
    {"cli*"},
]
#: The rooms of a folder, likewise; "" is what stands in none of them: the words that all share.
ROOMS = {
    "filexfer": [{""}, {"messages", "store"}, {"server", "client"}, {"trees"}],
    "instruments": [{""}, {"load", "faults", "capture"}, {"compare", "proxy"}, {"conform"}],
}
#: What a layer may import besides ours.
OUTSIDERS = {
    "wire*": set[str](),
    # The last three come with the TLS extra, and only modules that are imported when TLS is asked for have them.
    "net*": {
        "contextlib",
        "enum",
        "errno",
        "hashlib",
        "ipaddress",
        "mmap",
        "os",
        "pathlib",
        "queue",
        "select",
        "socket",
        "tempfile",
        "threading",
        "time",
        "twisted",
        "zope",
        "OpenSSL",
        "cryptography",
        "service_identity",
    },
}


def part(module: str) -> str:
    """Give the layer's name of ``twisted_lab.MODULE``, as in LAYERS."""
    _, _, rest = module.partition(".")
    top, dot, _ = rest.partition(".")
    return f"{top}*" if dot or (PACKAGE / top).is_dir() else top


def room(folder: str, module: str) -> str:
    """Give the room of ``twisted_lab.FOLDER.ROOM.MODULE``, as in ROOMS."""
    top, dot, _ = module.removeprefix(f"twisted_lab.{folder}.").partition(".")
    return top if dot or (PACKAGE / folder / top).is_dir() else ""


def floor(name: str) -> int:
    """Give which layer `name` is in, from the ground up."""
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


def imports() -> list[tuple[str, str]]:
    """Give all imports in the package, wherever they stand: importing module, imported module."""
    pairs = []
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(("twisted_lab", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                pairs += [(module, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                pairs.append((module, node.module or ""))
    return pairs


def is_ours(module: str) -> bool:
    """Tell whether `module` is in the package, below its top."""
    return module.startswith("twisted_lab.")


class LayerTests(SynchronousTestCase):
    """The layers of docs/architecture.rst."""

    def test_every_module_has_a_layer(self) -> None:
        """A new module must be given a place."""
        modules = {importer for importer, _ in imports() if is_ours(importer)}
        self.assertGreater(len(modules), 15)
        for module in modules:
            self.assertTrue(any(part(module) in layer for layer in LAYERS), module)

    def test_no_import_from_above(self) -> None:
        """A module imports from its own layer and those below it."""
        against = [
            (importer, imported)
            for importer, imported in imports()
            if is_ours(importer) and is_ours(imported) and floor(part(importer)) < floor(part(imported))
        ]
        self.assertEqual(against, [])

    def test_the_rooms(self) -> None:
        """The store knows nothing of the wire, the two sides of it nothing of each other; and load not who compares."""
        for folder, order in ROOMS.items():
            rooms = {name: number for number, names in enumerate(order) for name in names}
            inside = f"twisted_lab.{folder}."
            against = [
                (importer, imported)
                for importer, imported in imports()
                if importer.startswith(inside) and imported.startswith(inside)
                for above, below in [(room(folder, importer), room(folder, imported))]
                if above != below and rooms[above] <= rooms[below]
            ]
            self.assertEqual(against, [])

    def test_what_a_layer_knows(self) -> None:
        """The codecs know no Twisted and no socket; what Twisted lacks knows Twisted and nothing else."""
        for importer, imported in imports():
            top = imported.partition(".")[0]
            if is_ours(importer) and part(importer) in OUTSIDERS and not is_ours(imported):
                allowed = OUTSIDERS[part(importer)] | STANDARD
                self.assertIn(top, allowed, f"{importer} imports {imported}")


#: The standard library's modules that the lower layers need; `socket` is not one of them.
STANDARD = {
    "collections",
    "dataclasses",
    "errno",
    "fcntl",
    "io",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "struct",
    "sys",
    "termios",
    "typing",
}
