"""A secret is removed in every form in which it is transmitted, and nothing else is."""

import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest

from harness.evidence.redact import MARK, Redactor

SECRET = "pä\"ss'w&o/d+1 x"
FORMS = {
    "plain": lambda it: f"the password is {it}!",
    "json": lambda it: json.dumps({"x": it}),
    "json, not escaped": lambda it: json.dumps({"x": it}, ensure_ascii=False),
    "python": lambda it: repr({"x": it}),
    "url": lambda it: f"http://host/?x={quote(it)}&y={quote_plus(it)}&z={quote(it, safe='')}",
    "url, small letters": lambda it: quote(it, safe="").lower(),
    "html": lambda it: f"<p>{html.escape(it)}</p>",
    "shell": lambda it: f"curl -u {shlex.quote('al:' + it)}",
    "basic, 0": lambda it: base64.b64encode(f"abc{it}".encode()).decode(),
    "basic, 1": lambda it: base64.b64encode(f"a:{it}".encode()).decode(),
    "basic, 2": lambda it: base64.b64encode(f"al:{it}".encode()).decode(),
    "basic, latin-1": lambda it: base64.b64encode(f"al:{it}".encode("latin-1")).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_known_secret_is_replaced(form: str) -> None:
    """In any form, text and bytes come out without it."""
    text = FORMS[form](SECRET)
    redactor = Redactor([SECRET])
    whole = FORMS[form]("")

    assert MARK in redactor.text(text)
    assert len(redactor.text(text)) <= len(whole) + 3 * len(MARK)
    encoded = text.encode()
    hidden = redactor.bytes(encoded)
    assert b"***" in hidden
    assert len(hidden) == len(encoded)
    for part in ("ss'w", "c3Mnd", "ss%27w", "c3N3"):
        assert part not in redactor.text(text) + hidden.decode(errors="replace")


HELD = {
    "Authorization: Basic QWxhZGRpbjpvcGVu\r\nHost: x": "Authorization: {}\r\nHost: x",
    "> cookie: a=b; c='d'\n> x": "> cookie: {}\n> x",
    "Set-Cookie:sid=1": "Set-Cookie:{}",
    "{'Authorization': 'Basic xyz', 'b': 1}": "{{'Authorization': '{}', 'b': 1}}",
    "-H 'Proxy-Authorization: Basic zz' http://x/y": "-H 'Proxy-Authorization: {}' http://x/y",
    r'{"Password": "se\"cret", "z": 2}': '{{"Password": "{}", "z": 2}}',
    r'"{\"DbPassword\": \"x\\\"yz\", \"q\": 1}"': r'"{{\"DbPassword\": \"{}\", \"q\": 1}}"',
    '"RegisteredUsers" : {\n "alice" : "b"\n}, "n": 1': '"RegisteredUsers" : {}, "n": 1',
    '"password": 1234,': '"password": {},',
    "http://user:word@host/x": "http://user:{}@host/x",
}


@pytest.mark.parametrize("text", HELD)
def test_places_of_secrets_are_emptied_whatever_they_hold(text: str) -> None:
    """Credential headers and members named like passwords are emptied, known secrets or not."""
    assert Redactor([]).text(text) == HELD[text].format(MARK)
    assert len(Redactor([]).bytes(text.encode())) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "WWW-Authenticate: Basic realm=x",
        '{"PatientName": "Cookie^Monster"}',
        "http://127.0.0.1:8042/instances",
        "a password is needed",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Evidence with too much removed is worthless."""
    assert Redactor(["", "word-of-honour"]).text(text) == text


def test_secrets_in_large_data_are_all_replaced() -> None:
    """Megabytes between the secrets are kept byte for byte."""
    filling = bytes(range(256)) * 4096
    found = b"\nAuthorization: Basic Zm9v\n", b'"password": "hunter2"', b"open sesame"

    clean = Redactor(["open sesame"]).bytes(filling.join([b"", *found, b""]))

    before, first, second, third, after = clean.split(filling)
    assert (before, after) == (b"", b"")
    assert first == b"\nAuthorization: **********\n"
    assert second == b'"password": "*******"'
    assert third == b"*" * 11


@pytest.mark.parametrize("before", ["Authorization: Basic " + "Zm9v" * 250, "\u0130" * 1000])
def test_secrets_behind_text_of_another_length_are_replaced(before: str) -> None:
    """A mark shorter than its secret, or a letter that is two in lower case, does not hide what follows."""
    text = f"{before}\n" * 300 + '{"password": "hunter2"}\nhttp://user:hunter2@host/\n'

    assert "hunter2" not in Redactor([]).text(text)
