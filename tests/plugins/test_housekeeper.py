"""The housekeeper: it updates stored objects to the current configuration, and reports its progress."""

from harness.cases import Rest, Stored, Suite, configured, orthanc_ids, wait_until

suite = Suite(level="product", needs="rest", ref="Orthanc Book: housekeeper plugin")
STATUS = "/plugins/housekeeper/status"


@suite.case("HOUSE-001")
@configured(
    plugins="housekeeper",
    StableAge=1,
    Housekeeper={"Enable": True, "Force": True, "ThrottleDelay": 0},
)
def test_forced_housekeeper_ends(rest: Rest, stored: Stored) -> None:
    """A forced housekeeper runs, ends, and leaves every object as it was."""
    samples = stored.study(series=2, instances=2)

    wait_until(
        lambda: rest.json(STATUS)["CurrentlyProcessingConfiguration"] is None,
        what="the housekeeper to end",
    )

    told = rest.json(STATUS)
    assert told["LastProcessedConfiguration"]["OrthancVersion"] == rest.json("/system")["Version"]
    for each in samples:
        assert rest.get(f"{orthanc_ids(each).path('instance')}/file").content == each.data


@suite.case("HOUSE-002")
@configured(plugins="housekeeper", Housekeeper={"Enable": False})
def test_housekeeper_that_is_off(rest: Rest) -> None:
    """A disabled housekeeper has no status."""
    rest.get(STATUS, expect=404)
