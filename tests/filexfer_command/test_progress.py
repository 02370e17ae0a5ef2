"""The line on a terminal, and that there is none elsewhere."""

import os
import re
import signal

from tests.filexfer_command.shop import MEBIBYTE, Shop, wait_until
from tests.pseudo_terminal import PseudoTerminal


def test_on_a_terminal(shop: Shop) -> None:
    """Bytes, rate and time left, what was there before apart; never backwards; and gone when the receipt comes."""
    (shop.here / "large").write_bytes(os.urandom(12 * MEBIBYTE))
    with shop.start("put", "large", ":x", "--limit-rate", "4M") as broken:
        wait_until(lambda: shop.left_over() >= 2 * MEBIBYTE)
        broken.send_signal(signal.SIGINT)
        broken.communicate()
    words = ["put", str(shop.here / "large"), ":x", "--limit-rate", "4M", "--connect", shop.address]
    with PseudoTerminal("filexfer", *words) as terminal:
        assert terminal.wait() == 0
    *lines, receipt = re.split(r"\r\x1b\[K", terminal.shown)
    assert receipt.startswith(":x: 12.0 MiB, ")
    lines = [line for line in lines if line]
    form = r" *(\d+)%  ([\d.]+ \w+) of 12\.0 MiB  [\d.]+ MiB/s  0:\d\d left  \([\d.]+ MiB were there\)"
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
