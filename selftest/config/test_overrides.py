"""`--with NAME=VALUE`: other values in the configuration of the remote."""

import pytest

from harness.config.overrides import Override, overridden
from harness.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("StorageCompression=true", ("StorageCompression",), True),
        ("LimitFindResults=3", ("LimitFindResults",), 3),
        ("Name=a=b", ("Name",), "a=b"),
        ("Name=", ("Name",), ""),
        ("DicomWeb.Root=/dw/", ("DicomWeb", "Root"), "/dw/"),
        ('Plugins=["a"]', ("Plugins",), ["a"]),
    ],
)
def test_a_value_is_json_or_else_text(text: str, path: tuple[str, ...], value: object) -> None:
    """Numbers, truth values and lists are written as in the configuration itself."""
    assert Override.parse(text) == Override(path, value)


@pytest.mark.parametrize("text", ["StorageCompression", "=true", "DicomWeb.=1"])
def test_what_is_no_override_is_told(text: str) -> None:
    """The message shows the correct form."""
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        Override.parse(text)


def test_a_section_keeps_its_other_keys() -> None:
    """Only the named key changes, and the given configuration itself stays the same."""
    before: dict[str, object] = {"Name": "x", "DicomWeb": {"Root": "/", "Enable": True}}

    after = overridden(
        before, [Override.parse("DicomWeb.Enable=false"), Override.parse("New.Key=1")]
    )

    assert after == {"Name": "x", "DicomWeb": {"Root": "/", "Enable": False}, "New": {"Key": 1}}
    assert before["DicomWeb"] == {"Root": "/", "Enable": True}


def test_null_leaves_a_key_out() -> None:
    """A missing key can be removed, too."""
    before = {"Name": "x", "RegisteredUsers": {"alice": "open-sesame", "bob": "sesame-bun"}}

    after = overridden(
        before, map(Override.parse, ("Name=null", "RegisteredUsers.alice=null", "Nothing=null"))
    )

    assert after == {"RegisteredUsers": {"bob": "sesame-bun"}}


def test_a_key_with_a_value_is_no_section() -> None:
    """A value is not replaced by a section."""
    with pytest.raises(ConfigError, match="cannot be a section"):
        overridden({"Name": "x"}, [Override.parse("Name.Key=1")])
