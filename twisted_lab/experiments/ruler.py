"""Where a stream of bytes is cut, as a picture of an experiment's."""

from twisted_lab.experiments.experiment import Picture
from twisted_lab.instruments import ruler


def draw(name: str, title: str, cuts: ruler.Cuts) -> Picture:
    """Draw it both ways; `cuts` gives for each line the lengths of its pieces, in bytes."""
    return Picture(name, title, ruler.draw_text(cuts), ruler.draw_svg(cuts, title))
