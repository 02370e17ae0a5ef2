"""What an account may do."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import DeniedError
from twisted_lab.filexfer.modes import Mode

OPERATIONS = [
    "ping",
    "stat",
    "list",
    "get",
    "digest",
    "resume",
    "put",
    "bundle",
    "mkdir",
    "rename",
    "remove",
    "symlink",
]


class ModeTests(SynchronousTestCase):
    """`Mode`, over every operation, as OpenSSH's sftp-perm.sh goes over every one with and without read-only."""

    def test_check(self) -> None:
        """Read: only what sees; read-write: all; drop: only what adds. What isn't known is refused by each."""
        allowed = {
            Mode.READ: "ping stat list get digest",
            Mode.READ_WRITE: " ".join(OPERATIONS),
            Mode.DROP: "ping resume put bundle mkdir",
        }
        for mode, operations in allowed.items():
            for operation in [*OPERATIONS, "format-disk"]:
                if operation in operations.split():
                    mode.check(operation)
                else:
                    self.assertRaises(DeniedError, mode.check, operation)

    def test_drop_box_replaces_nothing(self) -> None:
        """In a drop box a put is exclusive, asked or not, and can't be made to depend on what is there."""
        for condition in (Condition(), Condition(absent=True)):
            self.assertEqual(Mode.DROP.narrow(condition), Condition(absent=True))
        self.assertRaises(DeniedError, Mode.DROP.narrow, Condition(etag="0123456789abcdef"))

    def test_others_may_ask_for_any_condition(self) -> None:
        """Otherwise the condition is the client's."""
        for condition in (Condition(), Condition(absent=True), Condition(etag="0123456789abcdef")):
            self.assertEqual(Mode.READ_WRITE.narrow(condition), condition)
