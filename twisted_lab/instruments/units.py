"""Numbers with units, as people read them."""


def show_seconds(seconds: float) -> str:
    """Give ``83 µs``, ``1.24 ms``, ``2.50 s``: three digits."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            number = seconds * factor
            digits = 0 if number >= 99.95 else 1 if number >= 9.995 or unit == "µs" else 2
            return f"{number:.{digits}f} {unit}"
    return f"{seconds:.2f} s" if seconds < 99.95 else f"{seconds:,.0f} s"


def show_bytes(count: float) -> str:
    """Give ``812 B``, ``12.3 KiB``, ``4.0 MiB``."""
    for unit, factor in (("MiB", 2**20), ("KiB", 2**10)):
        if abs(count) >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count:,.0f} B"


def show_number(number: float) -> str:
    """Give three digits, or all of a whole number that has more."""
    return f"{number:,.0f}" if number >= 99.95 or number == int(number) else f"{number:.3g}"


def show(quantity: str, number: float | None) -> str:
    """Give a comparison's quantity, by its name; a dash where it isn't known."""
    if number is None:
        return "-"
    if (quantity.startswith("p") and quantity[1:2].isdecimal()) or quantity == "cpu":
        return show_seconds(number)
    return show_bytes(number) if quantity.startswith("memory") else show_number(number)
