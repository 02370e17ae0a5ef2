"""Digests of content, by either algorithm."""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.digests import ALGORITHMS, Digest, algorithm_of, parse_digest
from twisted_lab.filexfer.errors import BadRequestError, UnsupportedError

#: Of b"abc", as the algorithms' own publications give them.
KNOWN = {
    "blake3": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
    "sha-256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
}


class DigestTests(SynchronousTestCase):
    """`Digest` and its text."""

    def test_known(self) -> None:
        """Each algorithm gives what any other program's gives, whatever the pieces and their kind."""
        self.assertEqual(ALGORITHMS, tuple(KNOWN))
        for algorithm, expected in KNOWN.items():
            digest = Digest(algorithm)
            for piece in (b"", b"a", bytearray(b"b"), memoryview(b"abc")[2:]):
                digest.update(piece)
            self.assertEqual(digest.text, f"{algorithm}:{expected}")

    def test_goes_on(self) -> None:
        """A digest that was looked at goes on."""
        for algorithm, expected in KNOWN.items():
            digest = Digest(algorithm)
            digest.update(b"ab")
            self.assertNotIn(expected, digest.text)
            digest.update(b"c")
            self.assertIn(expected, digest.text)

    def test_unknown(self) -> None:
        """An algorithm that isn't known is named as unsupported, with those that are."""
        for algorithm in ("md5", "sha256", "BLAKE3", ""):
            error = self.assertRaises(UnsupportedError, Digest, algorithm)
            self.assertIn("blake3, sha-256", str(error))

    def test_parse(self) -> None:
        """The text of a digest is taken as it is, and tells its algorithm."""
        for algorithm, digits in KNOWN.items():
            text = f"{algorithm}:{digits}"
            self.assertEqual(parse_digest(text), text)
            self.assertEqual(algorithm_of(text), algorithm)

    def test_no_digest(self) -> None:
        """What isn't a digest, or would be a second spelling of one, is refused."""
        digits = KNOWN["blake3"]
        for text in (
            *(None, 5, b"blake3:" + digits.encode(), ["blake3", digits]),
            *("", digits, f"md5:{digits}", f"blake3:{digits.upper()}", f"blake3:{digits[1:]}", f"blake3:{digits}0"),
            *(f"blake3:{digits}\n", f" blake3:{digits}", f"sha-256:{digits[:-1]}g", f"blake3:{digits[:-1]}٣"),
        ):
            self.assertRaises(BadRequestError, parse_digest, text)

    def test_imported_when_used(self) -> None:
        """Whoever hashes nothing doesn't load the compiled module."""
        program = "import sys, twisted_lab.filexfer.digests; sys.exit('blake3' in sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)
