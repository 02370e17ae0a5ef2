"""Why an experiment says nothing."""


class CannotRunError(Exception):
    """An experiment can't be run here, or was disturbed; the message is one sentence."""


class DidNotStartError(CannotRunError):
    """A server didn't begin to listen; `status` is its exit status, None if it still runs, `said` what it printed."""

    def __init__(self, status: int | None, said: str) -> None:
        ended = "ended" if status is not None else "still runs, without listening"
        super().__init__(f"a server {ended}: {said}")
        self.status = status
        self.said = said
