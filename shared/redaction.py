"""Make text from outside safe to show: no secrets, and no characters that steer a reader.

The secrets are those of Azure, webhooks and the platform that the app handles. A secret is known by
what stands before it, plain, percent-encoded (also twice) or escaped as in JSON, or by its own
form. Every pattern takes linear time.
"""

import json
import re
import unicodedata
from typing import Final

_HIDDEN: Final = "[hidden]"
_AMPERSAND: Final = r"[?&]|&amp;|%(?:25){0,3}(?:26|3f)|\\u00(?:26|3f)"
_SLASH: Final = r"(?:/|%(?:25){0,3}2f)"
_EQUALS: Final = r"(?:=|%(?:25){0,3}3d|\\u003d)"
#: The name of a signature: any of its letters may be percent-encoded.
_SIG: Final = r"(?:s|%(?:25){0,3}[57]3)(?:i|%(?:25){0,3}[46]9)(?:g|%(?:25){0,3}[46]7)"
#: Headers and members that hold a secret.
_NAMED: Final = (
    r"(?:authorization|api[-_]key|(?:x-functions|ocp-apim-subscription|aeg-sas)-key"
    r"|identity[-_]header|(?:access|refresh|id)_token|client_(?:secret|assertion)"
    r"|accountkey|sharedaccess(?:key|signature)|\bsig)"
)
_IS: Final = r"(?:[:=,]|%(?:25){0,3}3[ad]|\\u003[ad])"
_SCHEME: Final = r"(?:bearer|basic|sharedkey|sharedaccesssignature)"
_QUOTE: Final = r"(?:\\*[\"'])?"
#: A backslash ends a value only before a quote or a line break.
_VALUE: Final = r"(?:[^\s\"'<>,;&}\\]|\\(?![\"'nr]))+"
_SECRETS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # The parts of a shared access signature, and the key of a function in its URL.
        (
            rf"((?:(?:{_AMPERSAND}|\b)(?:{_SIG}|se|sp)|(?:{_AMPERSAND})code){_EQUALS}){_VALUE}",
            rf"\1{_HIDDEN}",
        ),
        # Connection strings.
        (
            rf"((?:AccountKey|SharedAccessKey|SharedAccessSignature){_EQUALS})[^;\s\"']+",
            rf"\1{_HIDDEN}",
        ),
        # A token of Event Grid: parts divided by ampersands.
        (rf"(aeg-sas-token{_QUOTE}\s*{_IS}\s*{_QUOTE})[^\s\"']+", rf"\1{_HIDDEN}"),
        # The user and password of a URL.
        (
            rf"((?::|%(?:25){{0,3}}3a){_SLASH}{_SLASH})(?:(?!{_SLASH})[^\s?#@\"'<>&])+(@|%(?:25){{0,3}}40)",
            rf"\1{_HIDDEN}\2",
        ),
        # Headers and members, as they stand on the wire or in the text of a mapping.
        (
            rf"({_NAMED}{_QUOTE}\s*{_IS}\s*(?:b(?=[\"']))?{_QUOTE})(?:{_SCHEME}\s+)?{_VALUE}",
            rf"\1{_HIDDEN}",
        ),
        (r"(\bbearer(?:\s|%20|\+)+)[A-Za-z0-9._~+/=-]{8,}", rf"\1{_HIDDEN}"),
        # Secrets of webhooks, keys as OpenAI issues them, and JSON Web Tokens.
        (r"(whsec_)[A-Za-z0-9+/=_%-]+", rf"\1{_HIDDEN}"),
        (r"(?<![\w-])(sk-)[\w-]{16,}", rf"\1{_HIDDEN}"),
        (r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?", _HIDDEN),
        # Pictures and masks.
        (r"(data:[\w.+-]+/[\w.+-]+;base64,)[A-Za-z0-9+/=_-]+", rf"\1{_HIDDEN}"),
    )
)

#: Unicode categories that steer a terminal or hide in it: control, format, surrogate, line and
#: paragraph separator.
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: A fact that needs no quotes in a log line.
_WORD: Final = re.compile(r"[^\s\"=]*")


def redacted(text: str) -> str:
    """Return the text without what gives access or fills the log."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def hide_query(url: str) -> str:
    """Return a URL without its query, which may hold a secret of any form."""
    path, mark, _ = url.partition("?")
    return f"{path}{mark}{_HIDDEN}" if mark else url


def printable(text: str) -> str:
    """Return text from outside with control characters as escapes, on one line."""
    return "".join(
        ascii(each)[1:-1] if unicodedata.category(each) in _UNPRINTABLE else each for each in text
    )


def quote_fact(value: object) -> str:
    """Return a fact for a log line; what isn't one word is JSON, so it can't look like two."""
    if isinstance(value, str | int | float | None):
        text = str(value)
        if _WORD.fullmatch(text) and text.isprintable():
            return text
    return printable(json.dumps(value, ensure_ascii=False, default=str))
