"""What happens to an object of each SOP class and transfer syntax that a server accepts."""

from pydicom.uid import UID

from harness.cases import (
    NATIVE,
    STORAGE_CLASSES,
    SUCCESS,
    Corpus,
    Dimse,
    Maker,
    Observe,
    Sample,
    Suite,
    Wire,
    is_failure,
    uid_name,
)

suite = Suite(needs="dimse.store")

AT_ONCE = 100
"""The number of objects in one association, each with its own context."""


def store(dimse: Dimse, samples: list[Sample]) -> list[int]:
    """Store any number of objects, and return the statuses."""
    return [
        status
        for start in range(0, len(samples), AT_ONCE)
        for status in dimse.store(*samples[start : start + AT_ONCE])
    ]


def words(status: int) -> str:
    """Return the meaning of a C-STORE status."""
    return "stored" if status == SUCCESS else f"answered with {status:#06x}"


@suite.case("ABIL-010", ref="PS3.4 B.2.2 (2020b)", shows="Storage")
def test_accepted_class_is_stored(wire: Wire, dimse: Dimse, make: Maker, observe: Observe) -> None:
    """An object of each accepted storage class is stored, or rejected because modules are missing.

    The objects have only the modules that all objects have (PS3.3 C.7, C.12.1). A server may answer that such
    an object does not match its class (A9xx) or cannot be understood (Cxxx).
    """
    chosen = wire.chosen([(uid, NATIVE) for uid in STORAGE_CLASSES])
    samples = [
        make.instance(
            study="classes", number=number, pixels=False, Modality="OT", SOPClassUID=UID(uid),
            transfer_syntax=syntax,
        )
        for number, (uid, syntax) in enumerate(zip(STORAGE_CLASSES, chosen, strict=True), start=1)
        if syntax in NATIVE
    ]  # fmt: skip

    statuses = store(dimse, samples)

    refused = []
    for sample, status in zip(samples, statuses, strict=True):
        observe(uid_name(sample.sop_class_uid), "accepted", words(status))
        if is_failure(status) and status >> 8 != 0xA9 and status >> 12 != 0xC:
            refused.append(f"{uid_name(sample.sop_class_uid)} with {status:#06x}")
    assert refused == []


@suite.case("ABIL-011", ref="PS3.4 B.2.2 (2020b)", shows="Storage")
def test_accepted_transfer_syntax_is_stored(
    wire: Wire, dimse: Dimse, corpus: Corpus, observe: Observe
) -> None:
    """A complete object in each accepted transfer syntax is stored."""
    by_syntax: dict[str, Sample] = {}
    for name in corpus.ids():
        if name.startswith(("p", "m")):
            by_syntax.setdefault(str(corpus[name].transfer_syntax), corpus[name])
    samples = list(by_syntax.values())
    chosen = wire.chosen([(each.sop_class_uid, [each.transfer_syntax]) for each in samples])
    accepted = [each for each, syntax in zip(samples, chosen, strict=True) if syntax]

    statuses = store(dimse, accepted)

    refused = []
    for sample, status in zip(accepted, statuses, strict=True):
        observe(f"An object in {uid_name(sample.transfer_syntax)}", "accepted", words(status))
        if is_failure(status):
            refused.append(f"{uid_name(sample.transfer_syntax)} with {status:#06x}")
    assert refused == []
