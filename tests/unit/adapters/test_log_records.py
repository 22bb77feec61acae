"""What the log never shows."""

import logging
from collections.abc import Iterator

import pytest

from shared.adapters.log_records import NOISY, RedactingRecords, quiet


@pytest.fixture
def quieted() -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    levels = {name: logging.getLogger(name).level for name in NOISY}
    quiet()
    yield
    logging.setLogRecordFactory(factory)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("quieted")
def test_any_logger_is_redacted_whoever_handles_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("some.library").warning("called %s", "https://h/?sig=abc")
    assert caplog.messages == ["called https://h/?sig=[hidden]"]


@pytest.mark.usefixtures("quieted")
def test_a_traceback_is_redacted_too(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int("https://h/?sig=abc")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
    assert "sig=[hidden]" in caplog.text
    assert "sig=abc" not in caplog.text


class Odd(Exception):
    """An exception without a message that can be shown."""

    def __str__(self) -> str:
        raise ValueError("no")


HOSTILE = "no\n2026-11-22 ERROR image_jobs: forged what=accepted\r\x1b[2J\u2028 sig=abc"


@pytest.mark.usefixtures("quieted")
@pytest.mark.parametrize(
    ("error", "last"),
    [
        (ValueError(HOSTILE), "ValueError: no\\n2026"),
        (KeyError(HOSTILE), "KeyError: 'no\\n2026"),
        (ExceptionGroup("some", [ValueError(HOSTILE)]), "some (1 sub-exception)"),
        (Odd(), "its message can't be shown"),
    ],
)
def test_no_exception_forges_a_line_of_the_log(
    error: Exception, last: str, caplog: pytest.LogCaptureFixture
) -> None:
    error.__cause__ = ValueError(HOSTILE)
    try:
        raise error  # noqa: TRY301 (for its traceback)
    except Exception:
        logging.getLogger("image_jobs").exception("failed")
    (record,) = caplog.records
    lines = logging.Formatter().format(record).splitlines()
    assert not [line for line in lines if line.startswith("2026")]
    assert "\x1b" not in caplog.text
    assert "sig=abc" not in caplog.text
    assert last in lines[-1].replace("\\\\", "\\")
    assert "test_log_records.py" in caplog.text
    # What telemetry takes, it takes from here.
    assert record.exc_info
    assert "\n" not in str(record.exc_info[1])


@pytest.mark.usefixtures("quieted")
def test_libraries_speak_of_trouble_alone() -> None:
    assert all(not logging.getLogger(name).isEnabledFor(logging.INFO) for name in NOISY)
    assert logging.getLogger("azure.core.pipeline").isEnabledFor(logging.WARNING)


@pytest.mark.usefixtures("quieted")
def test_being_quiet_twice_is_being_quiet_once() -> None:
    factory = logging.getLogRecordFactory()
    quiet()
    assert logging.getLogRecordFactory() is factory
    assert isinstance(factory, RedactingRecords)


def test_a_wrong_format_string_is_left_to_logging() -> None:
    record = RedactingRecords(logging.LogRecord)("n", 30, "p", 1, "%d %s", ("x",), None)
    assert record.msg == "%d %s"


@pytest.mark.usefixtures("quieted")
def test_a_line_stays_one_line_whatever_is_in_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("image_jobs").warning("said %s", "a\n2026 ERROR b\x1b[2J\u2028")
    assert caplog.messages == [r"said a\n2026 ERROR b\x1b[2J\u2028"]
