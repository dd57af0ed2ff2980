"""--since and --before: dates in everyday forms."""

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
    """The range starts on that day."""
    assert study_dates(text, None, TODAY) == f"{day}-"


def test_before_leaves_the_day_out() -> None:
    """As users expect; in DICOM both ends of a range are included."""
    assert study_dates(None, "2020-01-01", TODAY) == "-20191231"
    assert study_dates("2020-01-01", "2020-02-01", TODAY) == "20200101-20200131"
    assert study_dates(None, None, TODAY) == ""


@pytest.mark.parametrize(
    ("since", "before", "said"),
    [
        ("nonsense", None, "--since 'nonsense' is not a date: use 2020-10-31, 20201031"),
        ("01/02/2020", None, "--since '01/02/2020' is not a date"),
        ("", None, "--since '' is not a date"),
        (None, "2020-02-30", "--before '2020-02-30': this day does not exist"),
        ("99999 years ago", None, "this day does not exist"),
        ("²020-01-01", None, "is not a date"),
        ("2020-01-02", "2020-01-02", "no day is both on or after 2020-01-02 and before 2020-01-02"),
    ],
)
def test_what_is_no_day_is_refused(since: str | None, before: str | None, said: str) -> None:
    """The error names what is allowed."""
    with pytest.raises(UsageError) as caught:
        study_dates(since, before, TODAY)
    assert said in str(caught.value)
