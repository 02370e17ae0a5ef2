"""Why a connection ended, as a log line or a message says it."""


def show_reason(error: BaseException | None) -> str:
    """Give the exception's sentence without its full stop; of OpenSSL's lists of tuples, the words."""
    match error and error.args:
        case ([*tuples],) if tuples and all(isinstance(entry, tuple) for entry in tuples):
            return "; ".join(str(entry[-1]) for entry in tuples)
    return str(error).rstrip(".")
