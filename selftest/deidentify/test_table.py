"""The tables are those of PS3.15, as checked by well-known rows."""

import re

import pytest
from pydicom.datadict import dictionary_has_tag, dictionary_VR, private_dictionary_VR

from dcm.deidentify.options import Options
from dcm.deidentify.profile import Profile
from dcm.deidentify.table import edition, repeating, safe_private, table
from dcm.deidentify.words import cleaned, own_words

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


def test_table_is_whole() -> None:
    """It has the edition, and only codes of the standard."""
    assert len(table()) + len(repeating()) == 655
    assert re.fullmatch(r"20\d\d[a-e]", edition())
    codes = {row.basic for row in table().values()}
    assert codes == {"X", "Z", "D", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"}
    options = {code for row in table().values() for code in row.options.values()}
    assert options == {"K", "C"}


@pytest.mark.parametrize(
    ("tag", "basic", "options"),
    [
        (0x00100010, "Z", {}),
        (0x00100020, "Z/D", {}),
        (0x00101010, "X", {"patient": "K"}),
        (0x00080020, "Z", {"full-dates": "K", "modified-dates": "C"}),
        (0x00080018, "U", {"uids": "K"}),
        (0x00081010, "X/Z/D", {"device": "K"}),
        (0x00080080, "X/Z/D", {"institution": "K"}),
        (0x0040A730, "D", {"structured": "C"}),
        (0x00700001, "D", {"graphics": "C"}),
        (0x00081030, "X", {"descriptors": "C"}),
    ],
)
def test_rows(tag: int, basic: str, options: dict[str, str]) -> None:
    """Their actions in the basic profile and in the options."""
    row = table()[tag]
    assert (row.basic, row.options) == (basic, options)


def test_dates_and_uids_have_their_options() -> None:
    """Each row with one option for dates has the other; all remapped attributes are UIDs."""
    for tag, row in table().items():
        assert ("full-dates" in row.options) == ("modified-dates" in row.options)
        if row.basic == "U" and dictionary_has_tag(tag):
            assert dictionary_VR(tag) == "UI"


def test_safe_private_attributes_are_known() -> None:
    """Nearly all VRs are those of pydicom's dictionary; none is a name or a date."""
    other = 0
    for (tag, creator), vr in safe_private().items():
        assert vr not in ("PN", "DA", "DT", "UI", "UR", "LT", "ST", "UT")
        if vr:
            try:
                other += private_dictionary_VR(tag | 0x1000, creator)[:2] != vr
            except KeyError:
                other += 1
    assert len(safe_private()) == 178
    assert other < 10
    assert (0x70530009, "Philips PET Private Group") in safe_private()
    assert (0x00190008, "SIEMENS MR HEADER") not in safe_private()


@pytest.mark.parametrize(
    ("tag", "sop_class", "action"),
    [
        (0x00080021, CT, "removed"),
        (0x00080021, ENHANCED_CT, "replaced"),
        (0x00080021, "1.2.840.10008.5.1.4.1.1.128", "replaced"),
        (0x00080022, "1.2.840.10008.5.1.4.1.1.128", "emptied"),
        (0x00080023, CT, "emptied"),
        (0x00080023, ENHANCED_CT, "replaced"),
        (0x00181000, CT, "removed"),
        (0x00181000, ENHANCED_CT, "replaced"),
        (0x00100040, CT, "emptied"),
        (0x00081140, CT, "new UID"),
        (0x04000500, CT, "removed"),
        (0x00100FFF, CT, "removed"),
        (0x00200013, CT, "kept"),
        (0x00081150, CT, "kept"),
        (0x60003000, CT, "removed"),
        (0x60020010, CT, "removed"),
        (0x50003000, CT, "removed"),
        (0x00080000, CT, "removed"),
    ],
)
def test_actions_follow_the_type(tag: int, sop_class: str, action: str) -> None:
    """Mixed codes depend on the type in the IOD if it is known; else the safer action is used."""
    assert Profile(Options()).rule(tag, sop_class).action == action


def test_modified_dates_go_before_device_identity() -> None:
    """If two options want a calibration date, it is shifted: the real one would reveal too much."""
    profile = Profile(Options.of("modified-dates,retain-device"))
    assert profile.rule(0x00181200, CT).action == "date moved"
    assert profile.rule(0x00181000, CT).action == "kept"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("CT Abdomen/Pelvis w contrast", "CT Abdomen / Pelvis w contrast"),
        ("Mueller^Anna", ""),
        ("t2_tse_sag 3mm", "t2 tse sag 3mm"),
        ("Knee left, Dr. Mueller 0171-5551234", "Knee left"),
        ("12345678", ""),
        ("12", ""),
        ("Schädel", ""),
    ],
)
def test_words(text: str, clean: str) -> None:
    """Only known words and short numbers are kept, and no numbers alone."""
    assert cleaned(text, own_words()) == clean


def test_more_words() -> None:
    """The user's words, in any case."""
    assert cleaned("SCHÄDEL nativ", own_words() | {"schädel"}) == "SCHÄDEL nativ"
