"""What a package of ours must hold, and must never hold: a mistake here breaks Twisted itself for our users."""

import ast
import configparser
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.processes import command

TOP = Path(__file__).parents[1]
PLUGINS = TOP / "twisted" / "plugins" / "twisted_lab_plugins.py"
BUILD_WHEEL = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build a wheel from a copy of the checkout, so that nothing is left in it."""
    copy = tmp_path_factory.mktemp("wheel") / "checkout"
    shutil.copytree(TOP, copy, ignore=shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "_trial_temp*"))
    done = command(sys.executable, "-c", BUILD_WHEEL, str(copy.parent), cwd=copy)
    assert done.returncode == 0, done.stderr.decode()
    (path,) = copy.parent.glob("*.whl")
    return zipfile.ZipFile(path)


def test_twisted_is_not_shadowed() -> None:
    """Neither twisted/ nor twisted/plugins/ is a package here: an __init__.py would hide, or delete, Twisted's own."""
    assert not [*(TOP / "twisted").rglob("__init__.py")]
    assert [*(TOP / "twisted").rglob("*.py")] == [PLUGINS]


def test_the_plugin_file_only_names_the_plugins() -> None:
    """The plugin file is imported whenever twistd looks for plugins: it makes ServiceMakers and a Reactor, no more."""
    docstring, *statements = ast.parse(PLUGINS.read_text()).body
    assert isinstance(docstring, ast.Expr)
    names: dict[str, list[str]] = {"ServiceMaker": [], "Reactor": []}
    for statement in statements:
        if isinstance(statement, ast.ImportFrom):
            assert statement.module in {"twisted.application.service", "twisted.application.reactors"}
        else:
            assert isinstance(statement, ast.Assign)
            assert isinstance(statement.value, ast.Call)
            maker = ast.unparse(statement.value.func)
            names[maker].append(ast.literal_eval(statement.value.args[3 if maker == "ServiceMaker" else 0]))
    assert names == {"ServiceMaker": ["echo", "header", "filexfer", "faultproxy"], "Reactor": ["eager"]}


def test_one_place_for_each_thing() -> None:
    """setup.cfg holds what describes the package, pyproject.toml how to build and check it; there is no setup.py."""
    assert not (TOP / "setup.py").exists()
    assert {*tomllib.loads((TOP / "pyproject.toml").read_text())} == {"build-system", "tool"}
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    assert {section.partition(".")[0] for section in setup.sections()} == {"metadata", "options"}


def test_the_wheel_holds_what_runs(wheel: zipfile.ZipFile) -> None:
    """The wheel holds the package with its type information and the plugins, and neither tests nor caches."""
    expected = {
        str(path.relative_to(TOP))
        for path in [PLUGINS, TOP / "twisted_lab" / "py.typed", *(TOP / "twisted_lab").rglob("*.py")]
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    """The wheel brings the command `twisted-lab` and the licence."""
    names = {name.partition(".dist-info/")[2]: name for name in wheel.namelist()}
    assert b"twisted-lab = twisted_lab.cli.main:main" in wheel.read(names["entry_points.txt"])
    assert b"MIT License" in wheel.read(names["licenses/LICENSE"])
