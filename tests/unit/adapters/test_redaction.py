"""What the log never shows."""

import logging
from collections.abc import Iterator

import pytest

from shared.adapters.redaction import NOISY, RedactingRecords, quiet, redacted


@pytest.fixture
def quieted() -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    levels = {name: logging.getLogger(name).level for name in NOISY}
    quiet()
    yield
    logging.setLogRecordFactory(factory)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "GET https://a.blob.core.windows.net/i/x.png?se=2026-11-23T00%3A00Z&sp=r&sv=1&sig=ab%3D",
            "GET https://a.blob.core.windows.net/i/x.png?se=[hidden]&sp=[hidden]&sv=1&sig=[hidden]",
        ),
        ("AccountName=a;AccountKey=Zm9v==;x", "AccountName=a;AccountKey=[hidden];x"),
        ("Authorization: Bearer eyJ0eXAi.abc", "Authorization: [hidden]"),
        ("{'authorization': 'SharedKey a:b=='}", "{'authorization': '[hidden]'}"),
        ("{'api-key': 'secret', 'x': 1}", "{'api-key': '[hidden]', 'x': 1}"),
        ("[(b'api-key', b'secret')]", "[(b'api-key', b'[hidden]')]"),
        ("api-key=secret", "api-key=[hidden]"),
        ("token Bearer eyJ0eXAi.abc_-", "token Bearer [hidden]"),
        ("data:image/png;base64,iVBORw0KGgo= end", "data:image/png;base64,[hidden] end"),
        ("job job-1 is done in 3.2 s; see=this", "job job-1 is done in 3.2 s; see=this"),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_not(text: str, shown: str) -> None:
    assert redacted(text) == shown


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
