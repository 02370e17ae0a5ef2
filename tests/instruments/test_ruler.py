"""The ruler: where a stream is cut, as text and as a picture."""

import xml.etree.ElementTree as ET

from twisted_lab.instruments import ruler

SVG = "{http://www.w3.org/2000/svg}"


def test_text() -> None:
    """A column is a byte; its digit is the number of the piece, the last figure of it."""
    drawn = ruler.draw_text({"messages": [3, 1, 8], "reads": [1] * 12})
    assert drawn.splitlines() == [
        "bytes     0         10",
        "messages  111233333333",
        "reads     123456789012",
        "          a column is a byte; its digit says which of them it belongs to",
    ]


def test_text_of_much() -> None:
    """A long stream is drawn to scale, so that it fits; one line may hold less than another."""
    drawn = ruler.draw_text({"sends": [600, 600], "reads": [300]})
    assert drawn.splitlines() == [
        "bytes  0         200       400       600       800       1000",
        "sends  " + 30 * "1" + 30 * "2",
        "reads  " + 15 * "1",
        "       a column is 20 bytes; its digit says which of them it belongs to",
    ]
    assert ruler.draw_text({"sends": [], "reads": []}).splitlines()[1] == "sends  "


def test_svg() -> None:
    """The picture is well-formed, and has each line's name, a box for each piece, and the unit."""
    root = ET.fromstring(ruler.draw_svg({"messages": [3, 1, 8], "reads": [12]}, "cuts"))  # noqa: S314  # our own
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"cuts", "messages", "reads", "bytes", "0", "10", "1", "2", "3"} <= {*words}
    assert len([*root.iter(f"{SVG}rect")]) == 1 + 4  # the ground, and the pieces


def test_several() -> None:
    """Several rulers stand below one another, each with its name and its own scale, and all of them in the picture."""
    drawn = ruler.draw_rulers({"one": {"reads": [10]}, "two": {"reads": [1000, 1000]}}, "cuts")
    root = ET.fromstring(drawn)  # noqa: S314  # our own
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"one", "two", "10", "2000"} <= {*words}
    ground, first, second, third = root.iter(f"{SVG}rect")
    assert [first.attrib["width"], second.attrib["width"]] == ["580.0", "290.0"]
    assert float(third.attrib["x"]) == 400
    assert float(second.attrib["y"]) > float(first.attrib["y"]) + 26
    lowest = max(float(element.attrib["y"]) for element in root.iter(f"{SVG}text"))
    assert lowest < float(ground.attrib["height"])
