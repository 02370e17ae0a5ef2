"""Why an experiment says nothing."""


class CannotRunError(Exception):
    """An experiment can't be run here, or was disturbed; the message is one sentence."""


class NotKeptError(Exception):
    """What an experiment has found can't be kept; the message is the system's reason."""


class DidNotStartError(CannotRunError):
    """A server didn't begin to listen; `status` is its exit status, None if it still runs, `said` what it printed."""

    def __init__(self, status: int | None, said: str) -> None:
        super().__init__(f"a server {_describe(status)}: {said}")
        self.status = status
        self.said = said


def _describe(status: int | None) -> str:
    """Say how a process has ended, if it has."""
    if status is None:
        return "still runs, without listening"
    return f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"
