"""
Names of the files in a root: text with ``/`` on the wire, a tuple of components inside.

A name is relative to the root; the empty text, or the empty tuple, is the root itself. There is one spelling for each:
no leading, trailing or double ``/``, no ``.`` and ``..``. What two programs may read differently is refused rather than
repaired: control characters, half of a surrogate pair. Unicode isn't normalised and case isn't folded: names that
differ are different files where the file system has it so.

The disk may hold names that can't be written so, made by other programs: bytes that aren't UTF-8, control characters.
They can't be asked for, and no operation reaches them, but a listing shows that they are there.
"""

import re
import unicodedata

from twisted_lab.filexfer.errors import BadNameError

#: Bytes of UTF-8: what Linux holds in one component, and in a path.
MAX_COMPONENT = 255
MAX_NAME = 4096
#: What files that aren't published yet begin with, anywhere in the root; no client can name, list or reach them.
RESERVED = ".filexfer-"

Name = tuple[str, ...]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Most names are plain: ASCII, no component that begins with a dot or is long. Nothing speaks against those.
_PLAIN = re.compile(r"(?:[ -\-0-~][ -.0-~]{0,99}/){0,30}[ -\-0-~][ -.0-~]{0,99}")


def parse_name(text: str) -> Name:
    """Read a name from the wire: `BadNameError` for all but its one spelling."""
    if not text:
        return ()
    if _PLAIN.fullmatch(text):
        return tuple(text.split("/"))
    if text.startswith("/"):
        raise BadNameError("a name is relative to the root: it may not begin with /")
    if len(text) > MAX_NAME:  # before anything is made of it
        raise BadNameError(f"a name may not be longer than {MAX_NAME} bytes")
    name = tuple(text.split("/"))
    check_name(name)
    return name


def join_name(name: Name) -> str:
    """Write a name for the wire: the inverse of `parse_name`; `BadNameError` for what that would refuse."""
    check_name(name)
    return "/".join(name)


def check_name(name: Name) -> None:
    """Refuse with `BadNameError` what `parse_name` couldn't have given."""
    text = "/".join(name)
    if text.count("/") == len(name) - 1 and _PLAIN.fullmatch(text):
        return
    for component in name:
        why = _refusal(component)
        if why is not None:
            raise BadNameError(why)
    if sum(len(component.encode()) + 1 for component in name) - 1 > MAX_NAME:
        raise BadNameError(f"a name may not be longer than {MAX_NAME} bytes")


def component_on_disk(raw: bytes) -> str | None:
    """Give the component that a client can name `raw` by; None if there is none."""
    try:
        component = raw.decode()
    except UnicodeDecodeError:
        return None
    return component if _refusal(component) is None else None


def is_reserved(component: str) -> bool:
    """
    Tell whether `component` is one of ours, or could be taken for one by some file system.

    File systems that fold case, normalise or skip what is invisible would find our files by other spellings, such as
    ``.FileXfer-1`` or one with a ligature. What is left after all of that decides.
    """
    if not component.isascii():
        component = unicodedata.normalize("NFKD", component).casefold().encode("ascii", "ignore").decode()
    return component.lower().startswith(RESERVED)


def show_name(name: str) -> str:
    r"""
    Give `name` fit for a terminal, on one line; two names never look the same by an escape.

    Undecodable bytes (surrogates as `os.fsdecode` gives them) and ASCII's control characters become ``\xNN``, a
    backslash two. All else that Python doesn't call printable becomes ``\uNNNN``: C1, bidirectional controls,
    line separators, invisible characters, spaces but the one.
    """
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(
        character if character.isprintable() and character != "\\" else _escape(character) for character in name
    )


def show_sentence(sentence: str) -> str:
    """Give a peer's sentence fit for a terminal; names in it are escaped already, so a backslash stays one."""
    return "".join(character if character.isprintable() else _escape(character) for character in sentence)


def _escape(character: str) -> str:
    number = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    elif number > 0x7F:
        return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
    return f"\\x{number:02x}"


def _refusal(component: str) -> str | None:
    """Give why `component` can't be part of a name, without quoting it; None if it can."""
    if not component:
        return "a name may not have an empty component: no // and no / at the end"
    if component in {".", ".."}:
        return "a name may not have . or .. as a component"
    if "/" in component:
        return "a component may not have a /"
    if _CONTROL.search(component):
        return "a name may not have control characters"
    try:
        length = len(component.encode())
    except UnicodeEncodeError:
        return "a name may not have half of a surrogate pair"
    if length > MAX_COMPONENT:
        return f"a component of a name may not be longer than {MAX_COMPONENT} bytes"
    if is_reserved(component):
        return f"names that begin with {RESERVED} are the server's own"
    return None
