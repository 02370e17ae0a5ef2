"""The README and the pages in docs/: every command they show is run, and prints what they show."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.processes import UNCOUNTED
from tests.tshark import NO_TSHARK
from twisted_lab.instruments.faults.fault import kinds
from twisted_lab.tap import echo, faultproxy, filexfer, header

TOP = Path(__file__).parents[1]
DOCS = TOP / "docs"
EXAMPLES = DOCS / "examples"
README = TOP / "README.rst"
PAGES = [README, *sorted(DOCS.glob("*.rst"))]
DEADLINE = 280.0  # seconds that a page may take, its turn included

INSTALL_AND_DEMO = "    python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/twisted-lab demo"
INSTALL_AND_TEST = "    python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest"


def blocks(language: str, page: Path) -> list[str]:
    """Give the blocks of that language, without their indentation."""
    block = re.compile(rf"^\.\. code-block:: {language}\n(?: +:.*\n)*\n((?: +.*\n|\n)+)", re.MULTILINE)
    return [re.sub("^   ", "", match[1].rstrip(), flags=re.MULTILINE) for match in block.finditer(page.read_text())]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_shows_what_happens(page: Path) -> None:
    """Every command of the page is run, none left out, and prints what is shown."""
    if NO_TSHARK and re.search(r"^ +\$ .*\btshark\b", page.read_text(), re.MULTILINE):
        pytest.skip(NO_TSHARK)
    done = subprocess.run(
        [sys.executable, str(DOCS / "run_page.py"), str(page)],
        cwd=TOP,
        env=UNCOUNTED,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    commands = re.findall(r"^ +\$ ", page.read_text(), re.MULTILINE)
    assert done.stdout == f"{page}: {len(commands)} commands run\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_has_no_other_commands(page: Path) -> None:
    """What is to be typed stands in a console block, and in no block of another kind, which isn't run."""
    text = page.read_text()
    languages = re.findall(r"^ *\.\. (?:code-block|code|sourcecode|highlight):: *(.*)", text, re.MULTILINE)
    assert {*languages} <= {"console", "python", "text", "ini"}
    for block in [*blocks("text", page), *blocks("ini", page), *re.findall(r"::\n\n((?: +.*\n|\n)+)", text)]:
        assert not re.search(r"^ *[$>] ", block, re.MULTILINE), block


def test_readme_has_two_commands_for_a_fresh_machine() -> None:
    """Each stands alone on its line; the gate runs the second, and a page what is particular to the first."""
    lines = README.read_text().splitlines()
    assert [line for line in lines if "venv .venv" in line] == [INSTALL_AND_DEMO, INSTALL_AND_TEST]
    assert [line for line in lines if "-m pytest" in line] == [INSTALL_AND_TEST]
    assert any("$ twisted-lab demo" in block for page in PAGES for block in blocks("console", page))


def test_readme_shows_an_example_as_it_is() -> None:
    """The README can't include files; what it shows is the file that its commands run."""
    assert blocks("python", README) == [(EXAMPLES / "greeter.py").read_text().rstrip()]


def test_readme_links_lead_somewhere() -> None:
    """Each link is a file of the project."""
    links = re.findall(r"<([\w/.-]+)>`_", README.read_text())
    assert len(links) > 5
    assert [link for link in links if not (TOP / link).is_file()] == []


def test_every_example_is_shown_and_run() -> None:
    """A page includes each file of the examples, and a command runs each script."""
    pages = "".join(page.read_text() for page in PAGES)
    commands = "\n".join(block for page in PAGES for block in blocks("console", page))
    scripts = [*EXAMPLES.glob("*.py")]
    packaged = [path for path in EXAMPLES.glob("*/**/*.*") if path.suffix in {".py", ".cfg", ".toml"}]
    assert len(scripts) > 5
    assert len(packaged) > 4
    for path in scripts + packaged:
        if path.name != "__init__.py":
            assert f".. literalinclude:: {path.relative_to(DOCS)}\n" in pages, path
    for path in scripts:
        assert f" {path.relative_to(TOP)}" in commands or f" {path.stem}:" in commands, path


def test_every_option_is_explained() -> None:
    """Each option of a plugin or a command stands on its page."""
    services = (DOCS / "services.rst").read_text()
    for options in (echo.Options(), header.Options()):
        for name in options.longOpt:
            assert f"``--{name.rstrip('=')}" in services, name
    command = TOP / "twisted_lab" / "cli"
    commands = (DOCS / "commands.rst").read_text()
    names = find_options(command / "main.py")
    assert len(names) > 5
    measuring = (DOCS / "load.rst").read_text() + (DOCS / "compare.rst").read_text()
    for name in find_options(command / "measuring_options.py"):
        assert re.search(rf"``{name}[ `]", measuring), name
    conform = (DOCS / "conform.rst").read_text()
    for name in find_options(command / "conform_options.py"):
        assert re.search(rf"``{name}[ `]", conform), name
    for name in names:
        assert f"``{name}" in commands, name
    looking = (DOCS / "capture.rst").read_text() + (DOCS / "wireshark.rst").read_text()
    for name in find_options(command / "capture_options.py"):
        assert re.search(rf"``{name}[ `]", looking), name
    moving = (DOCS / "filexfer.rst").read_text() + (DOCS / "filexfer-access.rst").read_text()
    names = find_options(command / "filexfer" / "main.py", command / "filexfer" / "options.py")
    assert len(names) > 25
    for name in [*names, *(f"--{name.rstrip('=')}" for name in filexfer.Options().longOpt)]:
        assert re.search(rf"``{name}[ `]", moving), name

    faults = (DOCS / "faults.rst").read_text()
    for name in faultproxy.Options().longOpt:
        assert re.search(rf"``--{name.rstrip('=')}[ `]", faults), name
    for kind in kinds():
        assert f"``{kind}``" in faults, kind


def find_options(*sources: Path) -> list[str]:
    """Give the options, long and short, that a command's sources name."""
    return [name for source in sources for name in re.findall(r'"(--?[a-z][a-z-]*)"', source.read_text())]


def test_changelog_begins_with_this_version() -> None:
    """The first entry is about the version that setup.cfg names."""
    headings = re.findall(r"^(\S+).*\n-+$", (TOP / "CHANGELOG.rst").read_text(), re.MULTILINE)
    assert headings[0] == version("twisted-lab")
