"""The timeline: who waits for whom, as text and as a picture."""

import xml.etree.ElementTree as ET

from twisted_lab.experiments import timeline
from twisted_lab.experiments.timeline import CONNECTED, WAITING, Row

ROWS = [
    Row("client 1", [(0.0, 0.1, WAITING), (0.1, 1.0, CONNECTED)], [0.1]),
    Row("client 2", [(0.5, 1.5, WAITING), (1.5, 1.5, CONNECTED)], [1.5]),
]


def test_text() -> None:
    """Each row is drawn to scale, an answer over whatever else is there, and nothing is wider than 80 columns."""
    drawn = timeline.draw_text(ROWS)
    assert drawn.splitlines() == [
        "client 1 |####*-----------------------------------                    |",
        "client 2 |                    #######################################*|",
        "          0                                                     1.50 s",
        "          # waits for its answer   * has it   - is connected, wants nothing",
    ]
    assert max(map(len, drawn.splitlines())) <= 80


def test_text_of_a_moment() -> None:
    """What is too short for a column gets one, and rows without anything are drawn all the same."""
    rows = [Row("a", [(0.0, 1.0, CONNECTED)]), Row("long name", [(0.5, 0.5001, WAITING)]), Row("none")]
    lines = timeline.draw_text(rows).splitlines()
    assert lines[0] == "a         |" + 60 * "-" + "|"
    assert lines[1] == "long name |" + 30 * " " + "#" + 29 * " " + "|"
    assert lines[2] == "none      |" + 60 * " " + "|"


def test_svg() -> None:
    """The picture is well-formed, names each client, the unit and what each sign means, and escapes its title."""
    root = ET.fromstring(timeline.draw_svg(ROWS, "a <b> & c"))  # noqa: S314  # our own
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words[0] == "a <b> & c"
    assert {"client 1", "client 2", "seconds", "0", "0.2", "1.4", "waits for its answer", "has it"} <= {*words}
    circles = [*root.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(circles) == 3  # two answers, and one that explains them
    assert float(circles[1].attrib["cx"]) == 690
