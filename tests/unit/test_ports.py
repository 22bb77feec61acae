import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from shared.ports import Report, What


def test_a_report_is_one_line_with_its_facts_in_order() -> None:
    report = Report(What.DONE, "fox-1", {"task": 0, "code": None})
    assert str(report) == "done job_id=fox-1 task=0 code=None"


def test_a_report_without_a_job_and_facts_says_so() -> None:
    assert str(Report(What.REJECTED, None)) == "rejected job_id=-"


def test_alarms_are_no_part_of_the_line() -> None:
    assert "alarm" not in str(Report(What.DONE, "fox-1", alarms=("alarm",)))


FORGERIES = ("x job_id=other", 'x" code=done', "a\nERROR: b", "\x1b[2J", "\u202e", "\x85", "\ud800")
HOSTILE = st.text() | st.sampled_from(FORGERIES)
FACTS = st.dictionaries(
    st.sampled_from(("why", "code", "reason")),
    HOSTILE | st.lists(HOSTILE) | st.none() | st.floats(),
)


@given(FACTS)
def test_facts_of_strangers_forge_no_line_and_no_field(facts: dict[str, object]) -> None:
    line = str(Report(What.FAILED, "fox-1", facts))
    assert not {"Cc", "Cf", "Cs", "Zl", "Zp"} & {unicodedata.category(each) for each in line}
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
    assert re.findall(r"(\w+)=", bare) == ["job_id", *facts]
