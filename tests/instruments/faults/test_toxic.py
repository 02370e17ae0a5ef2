"""Toxics, as JSON and as words."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.faults.fault import kinds, make_fault
from twisted_lab.instruments.faults.toxic import StreamError, from_json, from_text, make_toxic

#: What toxiproxy documents: each type with its attributes.
TOXIPROXY = {
    "latency": {"latency", "jitter"},
    "bandwidth": {"rate"},
    "slow_close": {"delay"},
    "timeout": {"timeout"},
    "reset_peer": {"timeout"},
    "slicer": {"average_size", "size_variation", "delay"},
    "limit_data": {"bytes"},
}


class ToxicTests(SynchronousTestCase):
    """`Toxic`, and what reads it."""

    def test_toxiproxys_are_all_there(self) -> None:
        """Each has toxiproxy's name and attributes, which are 0 unless given."""
        for kind, names in TOXIPROXY.items():
            given = {"average_size": 1} if kind == "slicer" else {}
            attributes = make_fault(kind, given).attributes
            self.assertEqual(attributes, {name: given.get(name, 0) for name in names})

    def test_json(self) -> None:
        """A toxic has toxiproxy's defaults, and its JSON is read as it is written."""
        toxic = from_json({"type": "latency", "attributes": {"latency": 5}})
        self.assertEqual(
            toxic.to_json(),
            {
                "name": "latency_downstream",
                "type": "latency",
                "stream": "downstream",
                "toxicity": 1.0,
                "attributes": {"latency": 5, "jitter": 0},
            },
        )
        self.assertEqual(from_json(toxic.to_json()), toxic)

    def test_change(self) -> None:
        """What a change doesn't name stays; name and stream always do."""
        toxic = make_toxic("latency", "upstream", latency=5, jitter=1)
        changed = toxic.changed({"attributes": {"jitter": 2}, "toxicity": 0.5, "stream": "downstream", "name": "x"})
        self.assertEqual(changed, make_toxic("latency", "upstream", 0.5, latency=5, jitter=2))

    def test_words(self) -> None:
        """What a command line says is what the API would be told."""
        for text, toxic in {
            "timeout": make_toxic("timeout"),
            "latency:latency=100,jitter=20:upstream": make_toxic("latency", "upstream", latency=100, jitter=20),
            "latency:upstream:latency=100": make_toxic("latency", "upstream", latency=100),
            "corrupt:every=5,toxicity=0.5,name=rot": make_toxic("corrupt", "downstream", 0.5, "rot", every=5),
            "drop_message:probability=0.25": make_toxic("drop_message", probability=0.25),
        }.items():
            self.assertEqual(from_text(text), toxic)

    def test_bad_words(self) -> None:
        """What is wrong is one sentence."""
        for text, sentence in {
            "nope": "there is no fault 'nope': it is one of latency, bandwidth",
            "latency:x": "'x' is neither upstream nor downstream nor ATTRIBUTE=VALUE",
            "latency:latency": "'latency' is neither",
            "latency:latency=5,jitter": "'jitter' isn't ATTRIBUTE=VALUE",
            "latency:speed=5": "latency has no attribute 'speed', only latency, jitter",
            "latency:latency=x": "'x' isn't a whole number",
            "latency:latency=-5": "latency: latency is a whole number of at least 0, not -5",
            "latency:toxicity=2": "toxicity is a number from 0 to 1, not 2.0",
            "latency:toxicity=nan": "toxicity is a number from 0 to 1, not nan",
            "drop_message:probability=1.5": "probability is a number from 0 to 1, not 1.5",
            "slicer": "slicer: average_size must be greater than size_variation",
            "corrupt:every=0": "corrupt: every is at least 1",
            "coalesce:size=99999999": "coalesce: size is a whole number from 0 to 1.04858e+06, not 99999999",
        }.items():
            error = self.assertRaises(ValueError, from_text, text)
            self.assertIn(sentence, str(error))

    def test_bad_json(self) -> None:
        """Wrong types are named, too."""
        for fields, kind in (
            ({"type": "latency", "attributes": {"latency": 1.5}}, ValueError),
            ({"type": "latency", "attributes": {"latency": True}}, ValueError),
            ({"type": "latency", "attributes": {"latency": "1"}}, ValueError),
            ({"type": "latency", "attributes": []}, None),
            ({"type": "latency", "attributes": [1]}, ValueError),
            ({"type": "latency", "toxicity": "much"}, ValueError),
            ({"type": "latency", "name": 5}, ValueError),
            ({"type": 5}, ValueError),
            ({"type": "latency", "stream": "sideways"}, StreamError),
            ({"type": "nope"}, LookupError),
            ({}, LookupError),
        ):
            if kind is None:
                from_json(fields)
            else:
                self.assertRaises(kind, from_json, fields)

    def test_every_fault_says_what_it_is(self) -> None:
        """Each kind is found under its own name and has a docstring of its own."""
        for name, kind in kinds().items():
            self.assertEqual(kind.kind, name)
            self.assertTrue(kind.__doc__ and "(" not in kind.__doc__.partition(".")[0][:12])
