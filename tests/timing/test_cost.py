"""The cost of operations as a server grows, relative to the local server.

The results are ratios, curves and exponents. Times are not judged: a case fails only if an answer
is wrong. Costs that grow faster than they should are noted in its record.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, pairwise

import pytest
from pydicom.uid import JPEGLosslessSV1

from harness.cases import (
    SUCCESS,
    AETitle,
    Bench,
    Credentials,
    Dimse,
    Draft,
    Endpoint,
    Maker,
    Party,
    Plot,
    Rest,
    Sample,
    Suite,
    apart,
    corpus,
    entries_of,
    exponent,
    in_turn,
    orthanc_ids,
    thorough,
)

pytestmark = [apart("timing"), pytest.mark.timeout(4 * 3600)]
suite = Suite(level="quality", ref="Orthanc Book: scalability")
PERFS = "NonRegressionPerfs.test_non_regression_perfs.test_non_regression_classic"

SMALL, LARGE = (10, 100, 1000), (1000, 10_000, 100_000)
OF_A_STUDY = (10, 30, 100), (100, 300, 1000)
TIMES, FEW_TIMES = 9, 3
CLIENTS = 5
LONG = 600.0  # seconds to wait for an answer to one of several clients
LARGE_ROWS = 2290  # rows, and as many columns, of two bytes: 10 MB
SEVERAL = {5: "FIVE", 100: "HUNDRED"}
"""Patients with this many studies."""
IN_A_STUDY = 10
BATCH = 500  # objects in one association
TOLERATED = 0.3
"""How far an exponent may exceed the expected one before this is noted."""

Operation = Callable[[], object]
Operations = Mapping[str, Operation]
sizes = pytest.mark.parametrize(
    "sizes", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=thorough())]
)


of_a_study = pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(OF_A_STUDY[0], id="small"),
        pytest.param(OF_A_STUDY[1], id="large", marks=thorough()),
    ],
)


def filler(make: Maker, number: int) -> Sample:
    """Make one of many header-only objects: ten in a study, one study for each patient."""
    patient, place = divmod(number, IN_A_STUDY)
    return make.instance(
        PatientID=f"P{patient}", StudyDescription=f"D{patient}", number=place + 1, pixels=False
    )


@dataclass(frozen=True)
class Side:
    """A server, with clients connected directly to it: otherwise the relay would be measured, too."""

    name: str
    rest: Rest
    dimse: Dimse
    endpoint: Endpoint
    credentials: Credentials | None

    def fill(self, objects: Iterator[Sample], *, by_rest: bool) -> None:
        """Store objects."""
        if by_rest:
            self.rest.upload_all(objects)
        while batch := [each for _, each in zip(range(BATCH), objects, strict=False)]:
            self.dimse.store_all(batch)


@pytest.fixture
def sides(bench: Bench, remote: Party, local: Party) -> Iterator[tuple[Side, Side]]:
    """Provide the remote and the local server; both are restarted afterwards, which empties them."""
    with ExitStack() as stack:

        def side(party: Party) -> Side:
            server, limit = party.server, 60.0
            endpoint = server.rest or server.dicom
            user = server.adapter.credentials
            rest = stack.enter_context(Rest(endpoint, user, limit))
            dimse = Dimse(server.dicom, party.ae_title, AETitle("TIMING"), limit)
            return Side(party.role, rest, dimse, endpoint, user)

        yield side(remote), side(local)
        for party in (remote, local):
            bench.restore(party)


def store_several(rest: Rest, make: Maker) -> None:
    """Store the patients with several studies, unless they are stored already."""
    for studies, patient in SEVERAL.items():
        if not rest.find("Patient", {"PatientID": patient}):
            rest.upload_all(
                make.instance(PatientID=patient, study=str(each), pixels=False)
                for each in range(studies)
            )


def uploads_again(rest: Rest, sample: Sample) -> Operation:
    """Upload the same object each time."""
    return lambda: rest.upload(sample.data)


def by_rest(side: Side, make: Maker, size: int) -> Operations:
    """Return the REST requests for this number of stored objects, with the expected answers."""
    rest, one = side.rest, filler(make, size // 2)
    numbers = count(1)
    large = make.instance(PatientID="LARGE", rows=LARGE_ROWS, columns=LARGE_ROWS)
    store_several(rest, make)

    def finds(expected: int, **query: str) -> Operation:
        def operation() -> None:
            assert len(rest.find("Study", query)) == expected

        return operation

    def looks_up(level: str, uid: str) -> Operation:
        def operation() -> None:
            (found,) = rest.post("/tools/lookup", uid).json()
            assert (found["Type"], found["ID"]) == (level, orthanc_ids(one).at(level.lower()))

        return operation

    def uploads(**elements: str) -> Operation:
        def operation() -> None:
            made = make.instance(study="next", number=next(numbers), pixels=False, **elements)
            assert rest.upload(made.data)["Status"] == "Success"

        return operation

    def uploads_a_patient() -> None:
        made = make.instance(PatientID=f"NEW{next(numbers)}", study="new", pixels=False)
        assert rest.upload(made.data)["Status"] == "Success"

    def counts() -> None:
        assert rest.json("/statistics")["CountInstances"] >= size

    return {
        "statistics": counts,
        "find by StudyDescription, 1 result": finds(
            1, StudyDescription=one.dataset().StudyDescription
        ),
        "find by StudyDescription, 0 results": finds(0, StudyDescription="NONE"),
        "find by PatientID, 1 result": finds(1, PatientID=one.patient_id),
        "find by PatientID, 0 results": finds(0, PatientID="NONE"),
        **{
            f"find by PatientID, {studies} results": finds(studies, PatientID=patient)
            for studies, patient in SEVERAL.items()
        },
        "look up a study": looks_up("Study", one.study_instance_uid),
        "look up a patient": looks_up("Patient", one.patient_id),
        "upload to a patient": uploads(PatientID="NEXT"),
        "upload of a new patient": uploads_a_patient,
        "upload of 10 MB": uploads_again(rest, large),
    }


def by_dicom(side: Side, make: Maker, size: int) -> Operations:
    """Return the DICOM requests, as `by_rest` does for REST."""
    dimse, one = side.dimse, filler(make, size // 2)
    numbers = count(1)

    def finds(expected: int, **keys: str) -> Operation:
        def operation() -> None:
            assert len(dimse.find_studies(**keys)) == expected

        return operation

    def stores() -> None:
        made = make.instance(PatientID="NEXT", study="next", number=next(numbers), pixels=False)
        assert dimse.store(made) == [SUCCESS]

    return {
        "C-ECHO": dimse.echo,
        "C-FIND by StudyInstanceUID": finds(1, StudyInstanceUID=one.study_instance_uid),
        "C-FIND by PatientID, 1 result": finds(1, PatientID=one.patient_id),
        "C-FIND by PatientID, 0 results": finds(0, PatientID="NONE"),
        "C-FIND by StudyDescription, 0 results": finds(
            0, StudyDescription="NONE", StudyInstanceUID=""
        ),
        "C-STORE": stores,
    }


def reads(client: Rest, study: Sequence[Sample]) -> None:
    """Read the tags of each object of a study."""
    for each in study:
        tags = client.json(f"{orthanc_ids(each).path('instance')}/simplified-tags")
        assert tags["SOPInstanceUID"] == each.sop_instance_uid


def packs(client: Rest, study: Sequence[Sample]) -> None:
    """Have a study packed into a compressed archive."""
    path = f"{orthanc_ids(study[0]).path('study')}/archive?transcode={JPEGLosslessSV1}"
    assert len(entries_of(client.get(path))) == len(study)


def grid(make: Maker, vr: str) -> Sample:
    """Make an object with a grid of 10 MB, in VR OW or OF."""
    dataset = make.instance(PatientID=f"GRID{vr}", pixels=False).dataset()
    dataset.add_new(0x00640009, vr, bytes(2 * LARGE_ROWS**2))  # VectorGridData
    return Draft(dataset).finish(f"grid-{vr}", "has a large grid")


def at_once(
    side: Side, work: Callable[[Rest, Sequence[Sample]], None], shares: Sequence[Sequence[Sample]]
) -> None:
    """Do the same work with each share, with a client for each."""

    def one(share: Sequence[Sample]) -> None:
        with Rest(side.endpoint, side.credentials, LONG) as client:
            work(client, share)

    with ThreadPoolExecutor(len(shares)) as clients:
        list(clients.map(one, shares))


def of_study(side: Side, make: Maker, size: int) -> Operations:
    """Return REST operations on a study with this many images, by one client and by several."""
    rest, numbers = side.rest, count(1)
    study = make.study(instances=size, PatientID=f"STUDY{size}", rows=64, columns=64)
    rest.upload_all(study)
    path = orthanc_ids(study[0]).path("study")

    def counts() -> None:
        assert int(rest.json(f"{path}/statistics")["CountInstances"]) == size

    def populates() -> None:
        number = next(numbers)
        objects = [filler(make, each + number * size) for each in range(size)]
        at_once(side, Rest.upload_all, [objects[first::CLIENTS] for first in range(CLIENTS)])

    return {
        "statistics of a study": counts,
        "tags of each instance": lambda: reads(rest, study),
        "tags of each instance, by 5 clients": lambda: at_once(side, reads, [study] * CLIENTS),
        "transcoded archive": lambda: at_once(side, packs, [study]),
        "transcoded archive, for 5 clients": lambda: at_once(side, packs, [study] * CLIENTS),
        "uploads by 5 clients": populates,
        "upload of the same object": uploads_again(rest, study[0]),
        "upload of the same segmentation": uploads_again(rest, corpus["a03-seg"]),
        "upload of a grid of 10 MB, as OW": uploads_again(rest, grid(make, "OW")),
        "upload of a grid of 10 MB, as OF": uploads_again(rest, grid(make, "OF")),
    }


OF_EACH = ("tags of each", "transcoded archive", "uploads by")
"""The beginnings of the names of operations that process each object."""

Offer = Callable[[Side, Maker, int], Operations]
"""Returns the operations on a server with this many stored objects."""
Measure = Callable[..., None]
Curves = dict[str, dict[str, list[tuple[float, float]]]]
"""By operation and server: the number of objects, and milliseconds."""
Tell = Callable[[Curves], None]


@pytest.fixture
def tell(
    bench: Bench, plot: Callable[[Plot], None], record_property: Callable[[str, object], None]
) -> Tell:
    """Record a plot of each operation, and figures, for the case.

    The figures are the ratio of the remote to the local server, and the growth of the cost.
    """

    def told(name: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        ratio, power = lines["remote"][-1][1] / lines["local"][-1][1], exponent(lines["remote"])
        size = int(lines["remote"][-1][0])
        record_property(
            name,
            f"{ratio:.2f} times the local server at {size}, growing with the power {power:.2f}",
        )
        if power > TOLERATED + name.startswith(OF_EACH):
            bench.notes.append(
                f"{name}: the cost grows with the power {power:.2f} of what is stored"
            )
        plot(Plot(name, "objects", "ms", lines, logarithmic=True))

    def tell_all(curves: Curves) -> None:
        for name, lines in curves.items():
            told(name, lines)

    return tell_all


@pytest.fixture
def measure(sides: Sequence[Side], make: Maker, tell: Tell) -> Measure:
    """Fill both servers step by step, and measure each operation at each size, on both in turn."""

    def measured(operations: Offer, sizes: Sequence[int], times: int = TIMES) -> None:
        curves: Curves = defaultdict(lambda: defaultdict(list))
        for before, size in pairwise((0, *sizes)):
            for side in sides:
                objects = (filler(make, number) for number in range(before, size))
                side.fill(objects, by_rest=operations is not by_dicom)
            of_both = {side.name: operations(side, make, size) for side in sides}
            for name in of_both["remote"]:
                least = in_turn({side: each[name] for side, each in of_both.items()}, times)
                for side, seconds in least.items():
                    curves[name][side].append((size, 1000 * seconds))
        tell(curves)

    return measured


@suite.case("TIME-001", needs=("rest", "local.rest"))
@sizes
def test_rest(measure: Measure, sizes: Sequence[int]) -> None:
    """Searches, look-ups, uploads and statistics by REST are correct, however much is stored."""
    measure(by_rest, sizes)


@suite.case("TIME-002", ref="PS3.4 C.4.1", needs=("dimse.store", "dimse.find.study"))
@sizes
def test_dicom(measure: Measure, sizes: Sequence[int]) -> None:
    """C-ECHO, C-FIND and C-STORE are correct, however much is stored."""
    measure(by_dicom, sizes)


@suite.case("TIME-003", covers=PERFS, needs=("orthanc>=1.9.4", "local.rest"))
@of_a_study
def test_studies(measure: Measure, sizes: Sequence[int]) -> None:
    """Requests about a whole study are answered correctly, however large it is, and to several clients."""
    measure(of_study, sizes, FEW_TIMES)


@suite.case(
    "TIME-004", needs=("rest", "local.rest", "server.crash"), ref="Orthanc Book: scalability"
)
@sizes
def test_start(bench: Bench, make: Maker, tell: Tell, sizes: Sequence[int]) -> None:
    """A killed server is ready again, however much is stored."""
    curves: Curves = {"start": defaultdict(list)}
    parties = {each.role: each for each in bench.parties}
    for before, size in pairwise((0, *sizes)):
        for party in parties.values():
            assert party.server.rest is not None
            with Rest(party.server.rest, party.server.adapter.credentials, 60.0) as rest:
                rest.upload_all(filler(make, number) for number in range(before, size))
        least = in_turn({role: each.server.crash for role, each in parties.items()}, FEW_TIMES)
        for role, seconds in least.items():
            curves["start"][role].append((size, 1000 * seconds))
    for party in parties.values():
        party.aim_relays()
        with party.new_rest(None) as rest:
            assert rest.json("/statistics")["CountInstances"] == sizes[-1]
        bench.restore(party)
    tell(curves)
