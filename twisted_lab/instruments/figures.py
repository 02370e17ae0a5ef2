"""Figures as files, the same each time. Needs the extra ``plot``: matplotlib."""

import io
from typing import Any

#: So that the same numbers give the same picture, to the byte.
STEADY: Any = {"svg.hashsalt": "twisted-lab", "svg.fonttype": "none", "font.size": 9}


def render(figure: Any, form: str) -> bytes:
    """Give a figure as ``svg`` or ``png``."""
    from matplotlib import rc_context  # noqa: PLC0415

    picture = io.BytesIO()
    with rc_context(STEADY):
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(picture, format=form, dpi=150, metadata=metadata)
    return picture.getvalue()
