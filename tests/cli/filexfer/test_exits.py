"""What the command ends with, for whatever went wrong."""

import os
import re

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.cli.filexfer import exits
from twisted_lab.cli.filexfer.exits import exit_status, joint_status, of_target
from twisted_lab.filexfer import errors


class ExitTests(SynchronousTestCase):
    """The table, and how several failures become one status."""

    def test_every_error_has_a_status(self) -> None:
        """No error of ours is left out: each kind is in the table by itself, and its status is documented."""
        listed = {kind for kind, _ in exits._STATUS}
        self.assertEqual({*errors.FilexferError.__subclasses__()} - listed, set())
        documented = {int(number) for number in re.findall(r"^ *(\d+)  ", exits.__doc__ or "", re.MULTILINE)}
        self.assertLessEqual({status for _, status in exits._STATUS}, documented)

    def test_the_statuses_of_the_design(self) -> None:
        """A few that scripts rely on."""
        for kind, status in (
            (errors.SourceChangedError, 24),
            (errors.DigestMismatchError, 65),
            (errors.NotFoundError, 66),
            (errors.ExistsError, 73),
            (errors.NoSpaceError, 74),
            (errors.QuotaExceededError, 74),
            (errors.DisconnectedError, 75),
            (errors.UnsupportedError, 76),
            (errors.LoginFailedError, 77),
            (errors.DeniedError, 77),
        ):
            self.assertEqual(exit_status(kind("why")), status, kind)

    def test_a_code_of_a_newer_server(self) -> None:
        """An error that this version doesn't know is one of the protocol."""
        self.assertEqual(exit_status(errors.from_code("too-sleepy", "why")), os.EX_PROTOCOL)

    def test_what_is_nobodys_fault(self) -> None:
        """A sync that would remove too much, and has nothing else to do, isn't a fault of the protocol: 23."""
        self.assertEqual(exit_status(errors.FilexferError("more than 3 names would be removed, so none is")), 23)

    def test_what_is_wrong_with_the_target(self) -> None:
        """Where the source was found, what is missing is the target's directory: 73, with the code and the words."""
        error = of_target(errors.NotFoundError("in: there is nothing of that name"))
        self.assertEqual(
            (exit_status(error), error.code, str(error)), (73, "not-found", "in: there is nothing of that name")
        )
        self.assertEqual(exit_status(of_target(errors.ChangedError("why"))), 73)
        self.assertEqual(exit_status(of_target(errors.DeniedError("why"))), 77)

    def test_several_failures(self) -> None:
        """All alike and nothing done: that; sources that changed: 24; a lost connection: 75; else 23."""
        for statuses, succeeded, status in (
            ([], True, 0),
            ([], False, 0),
            ([66], False, 66),
            ([66, 66], False, 66),
            ([66], True, 23),
            ([66, 77], False, 23),
            ([24], True, 24),
            ([24, 24], True, 24),
            ([24, 66], True, 23),
            ([66, 75], True, 75),
            ([75], False, 75),
        ):
            self.assertEqual(joint_status(statuses, succeeded=succeeded), status, (statuses, succeeded))
