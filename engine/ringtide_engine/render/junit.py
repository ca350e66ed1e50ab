"""Findings as JUnit XML: a suite for every folder, a case for every finding."""

from collections import defaultdict
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ringtide_engine.model.finding import Finding
from ringtide_engine.render.untrusted import plain, xml_text


def junit(findings: Sequence[Finding]) -> bytes:
    """Write findings as JUnit XML.

    An error is a failure, a waived finding is skipped, a warning or an info is a case that passes and says so. Without
    findings there is one case that passes, since no case at all reads as a check that never ran.

    Args:
        findings: What was found.
    """
    folders: dict[str, list[Finding]] = defaultdict(list)
    for each in findings:
        folders[each.place.path.partition("/")[0] if "/" in each.place.path else "."].append(each)
    suites = Element("testsuites", name="ringtide check")
    for folder in sorted(folders):
        _suite(suites, folder, folders[folder])
    if not folders:
        passed = SubElement(suites, "testsuite", name=".", tests="1", failures="0", errors="0", skipped="0")
        SubElement(passed, "testcase", name="no findings", classname="ringtide check")
    suites.set("tests", str(max(1, len(findings))))
    suites.set("failures", str(sum(_fails(each) for each in findings)))
    indent(suites)
    text: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(parent: Element, folder: str, findings: Sequence[Finding]) -> None:
    suite = SubElement(
        parent,
        "testsuite",
        name=xml_text(folder),
        tests=str(len(findings)),
        failures=str(sum(_fails(each) for each in findings)),
        errors="0",
        skipped=str(sum(each.waiver is not None for each in findings)),
    )
    for each in findings:
        path = xml_text(plain(each.place.path))
        name = f"{each.rule} {path}:{each.place.line}:{each.place.column}"
        case = SubElement(suite, "testcase", name=xml_text(name), classname=path, file=path, line=str(each.place.line))
        said = xml_text(plain(each.message))
        text = f"{path}:{each.place.line}:{each.place.column}\n{said}\nfix: {xml_text(plain(each.fix))}"
        if each.waiver is not None:
            SubElement(case, "skipped", message=said)
        elif _fails(each):
            SubElement(case, "failure", type=xml_text(each.rule), message=said).text = text
        else:
            SubElement(case, "system-out").text = f"{each.severity}: {text}"


def _fails(each: Finding) -> bool:
    return each.severity == "error" and each.waiver is None
