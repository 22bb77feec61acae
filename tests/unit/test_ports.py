from shared.ports import Report, What


def test_a_report_is_one_line_with_its_facts_in_order() -> None:
    report = Report(What.DONE, "fox-1", {"task": 0, "code": None})
    assert str(report) == "done job_id=fox-1 task=0 code=None"


def test_a_report_without_a_job_and_facts_says_so() -> None:
    assert str(Report(What.REJECTED, None)) == "rejected job_id=-"


def test_alarms_are_no_part_of_the_line() -> None:
    assert "alarm" not in str(Report(What.DONE, "fox-1", alarms=("alarm",)))
