"""Results as JUnit's XML, which continuous integration reads."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from twisted_lab.instruments.conform.examination import Result
from twisted_lab.instruments.conform.verdict import Verdict

#: What XML can't hold, however it is written.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_xml(target: str, results: Sequence[Result], *, strict: bool) -> bytes:
    """Give a file of them; with `strict` what is NON_STRICT has failed."""
    failed = {Verdict.FAIL, Verdict.NON_STRICT} if strict else {Verdict.FAIL}
    counts = {
        "tests": len(results),
        "failures": sum(result.finding.verdict in failed for result in results),
        "skipped": sum(result.finding.verdict is Verdict.UNKNOWN for result in results),
    }
    suite = ET.Element("testsuite", {"name": target, **{name: str(count) for name, count in counts.items()}})
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            {"classname": f"conform.{result.case.group}", "name": f"{result.case.id} {result.case.title}"},
        )
        detail = _UNFIT.sub(lambda match: ascii(match[0])[1:-1], result.finding.detail)
        if result.finding.verdict in failed:
            failure = ET.SubElement(case, "failure", {"message": detail})
            failure.text = f"expected: {result.case.expects}"
        elif result.finding.verdict is Verdict.UNKNOWN:
            ET.SubElement(case, "skipped", {"message": detail})
        elif detail:
            ET.SubElement(case, "system-out").text = f"{result.finding.verdict.value}: {detail}"
    ET.indent(suite)
    xml: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"
