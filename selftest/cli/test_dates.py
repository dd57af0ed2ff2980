"""--since and --before: days as people say them."""

from datetime import date

import pytest

from dcm.cli.dates import study_dates
from dcm.cli.usage import UsageError

TODAY = date(2024, 3, 31)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020-10-31", "20201031"),
        ("2020-1-5", "20200105"),
        ("20201031", "20201031"),
        ("2020-10", "20201001"),
        ("today", "20240331"),
        ("Yesterday", "20240330"),
        ("1 day ago", "20240330"),
        ("3  days ago", "20240328"),
        ("2 weeks ago", "20240317"),
        ("a month ago", "20240229"),  # that February has no 31st
        ("3 months ago", "20231231"),
        ("1 year ago", "20230331"),
    ],
)
def test_a_day_is_understood(text: str, day: str) -> None:
    """From that day on."""
    assert study_dates(text, None, TODAY) == f"{day}-"


def test_before_leaves_the_day_out() -> None:
    """As people mean it; in DICOM both ends of a range belong to it."""
    assert study_dates(None, "2020-01-01", TODAY) == "-20191231"
    assert study_dates("2020-01-01", "2020-02-01", TODAY) == "20200101-20200131"
    assert study_dates(None, None, TODAY) == ""


@pytest.mark.parametrize(
    ("since", "before", "said"),
    [
        ("nonsense", None, "--since is 'nonsense'; allowed is a day: 2020-10-31, 20201031"),
        ("01/02/2020", None, "--since is '01/02/2020'; allowed is a day"),
        ("", None, "--since is ''; allowed is a day"),
        (None, "2020-02-30", "--before is '2020-02-30': there is no such day"),
        ("99999 years ago", None, "there is no such day"),
        ("²020-01-01", None, "allowed is a day"),
        ("2020-01-02", "2020-01-02", "there is no day since 2020-01-02 and before 2020-01-02"),
    ],
)
def test_what_is_no_day_is_refused(since: str | None, before: str | None, said: str) -> None:
    """With what is allowed."""
    with pytest.raises(UsageError) as caught:
        study_dates(since, before, TODAY)
    assert said in str(caught.value)
