"""The line on a terminal, and that there is none elsewhere."""

import os
import re
import signal

from tests.filexfer_command.shop import MEBIBYTE, Shop, wait_until
from tests.processes import DEADLINE
from tests.pseudo_terminal import PseudoTerminal


def test_on_a_terminal(shop: Shop) -> None:
    """Bytes, rate and time left, what was there before apart; never backwards; and gone when the receipt comes."""
    (shop.here / "large").write_bytes(os.urandom(12 * MEBIBYTE))
    with shop.half_way("up") as (half_way, hold), half_way.start("put", "large", ":on-a-terminal") as broken:
        wait_until(lambda: shop.left_over() >= 2 * MEBIBYTE)
        broken.send_signal(signal.SIGINT)
        broken.communicate(timeout=DEADLINE)
        hold.lose()
    shop.wait_for_the_end_of_a_put("on-a-terminal")
    words = ["put", str(shop.here / "large"), ":on-a-terminal", "--limit-rate", "4M", "--connect", shop.address]
    with PseudoTerminal("filexfer", *words) as terminal:
        assert terminal.wait() == 0
    *lines, receipt = re.split(r"\r\x1b\[K", terminal.shown)
    assert receipt.startswith(":on-a-terminal: 12.0 MiB, ")
    lines = [line for line in lines if line]
    # How fast it goes, if at all, is up to the machine; so is whether a line comes before it is known what was there.
    while lines and lines[0] == "  0%  0 B of 12.0 MiB":
        del lines[0]
    speed = r"(  [\d.]+ \w+/s  [\d:]+ left|  stalled|  finishing|)"
    form = rf" *(\d+)%  ([\d.]+ \w+) of 12\.0 MiB{speed}  \([\d.]+ MiB were there\)"
    matches = [re.fullmatch(form, line) for line in lines]
    assert matches
    assert all(matches), lines
    percentages = [int(match[1]) for match in matches if match]
    assert percentages == sorted(percentages)
    assert percentages[0] > 0


def test_nowhere_else(shop: Shop) -> None:
    """Without a terminal, and with -q, standard error stays empty however long it takes."""
    (shop.here / "x").write_bytes(bytes(3 * MEBIBYTE))
    status, _, errors = shop.run("put", "x", ":", "--limit-rate", "1M")
    assert (status, errors) == (0, "")
    words = ["put", "-q", str(shop.here / "x"), ":", "--limit-rate", "1M", "--connect", shop.address]
    with PseudoTerminal("filexfer", *words) as terminal:
        assert terminal.wait() == 0
    assert terminal.shown == ""
