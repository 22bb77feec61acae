"""What no text that leaves the app shows."""

import json
import logging
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.log_records import RedactingRecords
from shared.client.cli.output import error_json, print_error
from shared.errors import Fault, InvalidJob, StoreUnavailable
from shared.http_api.problems import to_problem
from shared.images_api.outcomes import of_reply
from shared.redaction import hide_query, redacted
from tests.builders.growth import MOST, growth


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
        ("/api/jobs?code=abc/_-==&limit=2", "/api/jobs?code=[hidden]&limit=2"),
        ("at https://user:secret@h.example/a?b", "at https://[hidden]@h.example/a?b"),
        ("mail to a@b.example, see https://h/@me", "mail to a@b.example, see https://h/@me"),
        ("Incorrect API key: sk-proj-0123456789abcdef", "Incorrect API key: sk-[hidden]"),
        ("h/?s%69g=ab&%2573ig=cd", "h/?s%69g=[hidden]&%2573ig=[hidden]"),
        ("failed code=content_refused why=no", "failed code=content_refused why=no"),
        ("job job-1 is done in 3.2 s; see=this", "job job-1 is done in 3.2 s; see=this"),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_not(text: str, shown: str) -> None:
    assert redacted(text) == shown


#: How each kind of secret that the app handles is written; `{}` is the secret.
WRITTEN = [
    "aeg-sas-key: {}",
    "aeg-sas-token: r=https%3a%2f%2ft&e=11%2f30%2f2026&s={}",
    "IDENTITY_HEADER={}",
    "api_key={}",
    "https://reader:{}@h.example/a",
    "X-Identity-Header: {}",
    "x-functions-key: {}",
    "Ocp-Apim-Subscription-Key: {}",
    "{{'api-key': '{}'}}",
    '{{"access_token": "{}", "expires_in": 3599}}',
    "Endpoint=sb://a/;SharedAccessKeyName=root;SharedAccessKey={}",
    "AccountName=a;AccountKey={};EndpointSuffix=core.windows.net",
    "Authorization: Bearer {}",
    "no luck with bearer {}",
    "https://a.azurewebsites.net/api/jobs?code={}",
    "https://a.blob.core.windows.net/i/x.png?sv=1&sig={}",
    "secret whsec_{}",
]
SECRETS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=24, max_size=80)
type Encode = Callable[[str], str]
ENCODINGS: tuple[Encode, ...] = (
    str,
    json.dumps,
    lambda text: json.dumps(json.dumps(text)),
    lambda text: json.dumps(text).replace("&", "\\u0026").replace("=", "\\u003d"),
    lambda text: text.replace("&", "&amp;"),
)
IN_URLS: tuple[Encode, ...] = (quote, lambda text: quote(quote(text, safe=""), safe=""))


def outputs(text: str) -> list[str]:
    """The text as it leaves the app: in a log line, in errors, in a problem and in an outcome."""
    record = RedactingRecords(logging.LogRecord)("n", 30, "p", 1, "said %s", (text,), None)
    refusal = InvalidJob([Fault("prompt", text)])
    return [
        record.getMessage(),
        str(StoreUnavailable(text)),
        json.dumps(error_json(refusal)),
        to_problem(refusal).model_dump_json(),
        of_reply(400, {}, {"error": {"message": text, "code": "bad"}}).message,
        of_reply(502, {}, text=text).message,
    ]


@given(st.sampled_from(WRITTEN), SECRETS, st.sampled_from(ENCODINGS), st.text(max_size=20))
def test_no_kind_of_secret_leaves_the_app(
    written: str, secret: str, encode: Encode, before: str
) -> None:
    for told in outputs(f"{before} {encode(written.format(secret))} after"):
        assert secret not in told


@given(
    st.sampled_from([each for each in WRITTEN if "https:" in each or "Key=" in each]),
    SECRETS,
    st.sampled_from(IN_URLS),
)
def test_no_secret_of_a_link_within_a_link_leaves_the_app(
    written: str, secret: str, encode: Encode
) -> None:
    for told in outputs(f"GET https://h/?next={encode(written.format(secret))}"):
        assert secret not in told


def test_the_command_prints_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(StoreUnavailable("https://h/?sig=abc%2B said no"))
    assert capsys.readouterr().err == "https://h/?sig=[hidden] said no\n"


def test_what_is_hidden_stays_so() -> None:
    for written in WRITTEN:
        once = redacted(written.format("a" * 30))
        assert redacted(once) == once


@pytest.mark.parametrize(
    "unit",
    [
        "api-key",
        "sig=",
        "bearer ",
        "eyJ-",
        "data:a/",
        "%2525",
        "\\",
        "access_token ",
        "&code",
        "://",
        "s%69",
        "sk-",
    ],
)
def test_hiding_takes_linear_time(unit: str) -> None:
    assert growth(lambda size: unit * size, redacted, 4_000) < MOST


def test_a_query_is_hidden_and_a_url_without_one_stays() -> None:
    assert hide_query("https://a.example/in?token=s3cret#x") == "https://a.example/in?[hidden]"
    assert hide_query("https://a.example/in") == "https://a.example/in"
