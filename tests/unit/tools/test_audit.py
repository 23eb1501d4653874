"""What a report of pip-audit means."""

from tools.audit import read

REPORT = {
    "dependencies": [
        {"name": "fine", "version": "1.0", "vulns": []},
        {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}]},
        {"name": "worse", "version": "3.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
        {"name": "unknown", "skip_reason": "Dependency not found"},
    ]
}


def test_vulnerabilities_are_told_with_their_fix_and_what_is_not_known_is_not_passed_over() -> None:
    found = read(REPORT)
    assert found.vulnerable == [
        "bad 2.0 has PYSEC-1, fixed in 2.1, 3.0",
        "worse 3.0 has PYSEC-2, fixed in no version yet",
    ]
    assert found.skipped == ["unknown"]
    assert found.audited == 3
