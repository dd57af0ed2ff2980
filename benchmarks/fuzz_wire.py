"""Searches for bytes that crash the readers of `dcm`, guided by code coverage.

    python -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris "pydicom>=3.0.2,<3.1"
    nice -n 19 /tmp/fuzz/bin/python benchmarks/fuzz_wire.py /tmp/corpus -max_total_time=600
    python benchmarks/fuzz_wire.py /tmp/corpus --keep selftest/wire/hostile.zip

Covers both roles of an association, PDUs, messages, identifiers, headers and ends of files,
matching, and configurations; selftest/wire/hostile.py defines the rules that they must obey. The
folder starts with inputs made here, and collects those that reach new code. Options with one dash
are libFuzzer's. An input that breaks a rule is written to the current folder.

`--keep` needs no atheris: it stores few and short inputs that take the same steps from line to line
as the whole folder, for use in tests; and inputs that broke a rule, if they were put into the
folder.
"""

import hashlib
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "selftest")]

BIGGEST = 1 << 16
MEMORY = 1 << 10
"""The memory limit in MB of the whole process, including atheris and the corpus."""


def main() -> None:
    """Fuzz, or store the inputs found."""
    folder = Path(sys.argv[1])
    if "--keep" in sys.argv:
        keep(folder, Path(sys.argv[sys.argv.index("--keep") + 1]))
        return
    import atheris  # noqa: PLC0415 - not needed by anybody else

    with atheris.instrument_imports(include=["dcm"]):
        from wire.hostile import drive  # noqa: PLC0415 - instrumented while imported

    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (folder / f"seed-{_name(seed)}").write_bytes(seed)
    limits = [f"-max_len={BIGGEST}", f"-rss_limit_mb={MEMORY}", "-timeout=20"]
    atheris.Setup([sys.argv[0], str(folder), *limits, *sys.argv[2:]], drive)
    atheris.Fuzz()


def seeds() -> Iterator[bytes]:
    """Yield valid inputs for each reader: mutations of valid inputs find errors faster."""
    from wire.hostile import READERS  # noqa: PLC0415 - instrumented by main

    readers = {reader.__name__: number for number, reader in enumerate(READERS)}
    for reader, data in (*spoken(), *stored(), *typed()):
        yield bytes((readers[reader],)) + data


def spoken() -> Iterator[tuple[str, bytes]]:
    """Yield PDUs, messages, and what a peer may send in each state."""
    from wire import hostile, pair  # noqa: PLC0415 - instrumented by main

    from dcm import wire  # noqa: PLC0415
    from dcm.wire import raw  # noqa: PLC0415

    store = wire.CStoreRQ(
        message_id=1, affected_sop_class_uid=pair.CT, affected_sop_instance_uid="1.2"
    )
    moved = wire.CMoveRSP(
        message_id_being_responded_to=1,
        status=0xB000,
        number_of_failed_suboperations=1,
        error_comment="one failed",
        offending_element=(0x00100020,),
    )
    talk = b""
    for message in (store, moved):
        command = wire.build_message(message)
        yield "_message", command
        talk += raw.p_data(raw.pdv(3, 1, command[:40])) + raw.p_data(raw.pdv(3, 3, command[40:]))
        if message.has_data_set:
            talk += raw.p_data(raw.pdv(3, 0, bytes(20)))
            talk += raw.p_data(raw.pdv(3, 0, bytes(8)), raw.pdv(3, 2, bytes(8)))
    asked, answered, *ends = (
        wire.build(pdu)
        for pdu in (
            pair.request(),
            pair.answer(pair.request()),
            wire.ReleaseRQ(),
            wire.ReleaseRP(),
            wire.AssociateRJ(1, 1, 1),
            wire.Abort(2, 1),
        )
    )
    yield from (("_pdu", pdu) for pdu in (asked, answered, *ends))
    for start in range(len(hostile.STARTS)):
        for stream in (asked + talk, answered + talk + ends[0], talk + b"".join(ends), ends[1]):
            for how in (0, 6, 12):
                yield "_connection", bytes((start, how)) + stream


def stored() -> Iterator[tuple[str, bytes]]:
    """Yield identifiers and beginnings of files."""
    from wire.hostile import SYNTAXES  # noqa: PLC0415 - instrumented by main

    from dcm.data.identifier import write_identifier  # noqa: PLC0415

    attributes = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.3",
        "PatientName": "Müller^Änne=x",
        "ReferencedStudySequence": [{"ReferencedSOPInstanceUID": "1.2", "StudyID": "1"}],
        "InstanceNumber": "7",
    }
    for number, syntax in enumerate(SYNTAXES):
        data = write_identifier(attributes, syntax)
        meta = write_identifier({"TransferSyntaxUID": syntax}, SYNTAXES[1])
        yield "_identifier", bytes((number,)) + data
        yield "_whole", bytes((number,)) + data
        yield "_file", bytes(128) + b"DICM" + meta + data
        yield "_file", data
    deflated = write_identifier({"TransferSyntaxUID": "1.2.840.10008.1.2.1.99"}, SYNTAXES[1])
    packed = zlib.compress(write_identifier(attributes, SYNTAXES[1]), wbits=-zlib.MAX_WBITS)
    yield "_file", bytes(128) + b"DICM" + deflated + packed
    yield "_whole", bytes((3,)) + packed


def typed() -> Iterator[tuple[str, bytes]]:
    """Yield user input: keys and values, and configurations."""
    from wire.hostile import VRS  # noqa: PLC0415 - instrumented by main

    said = {
        "CS": ("C?\\MR", "CT\\MR"), "DA": ("20240101-20240131", "20240115"), "IS": ("7", " +7 "),
        "DT": ("20240101120000.5+0100-", "20240101110001"), "PN": ("Mül*^A?na", "MÜLLER^ANNA=x"),
        "TM": ("1015-1030", "101959.5"), "UI": ("1.2\\1.3", "1.3"), "LO": ("*a?c*", "abc"),
    }  # fmt: skip
    for vr, (key, value) in said.items():
        yield "_match", bytes((VRS.index(vr),)) + key.encode() + b"\xff" + value.encode()
    node = b'[remote_nodes.pacs]\nhost = "pacs.example.org"\nport = 104\nae_title = "PACS"\n'
    for more in (
        b'[local_nodes.default]\nae_title = "ME"\nport = 11112\n[time_limits]\nresponse = 60.0\n',
        b'[local_nodes.default]\nport = 11112\ntls_certificate = "me.pem"\ntls_key = "me.key"\n',
        b'tls = true\ntls_ca = "ca.pem"\ntls_verify_host = false\nuser = "anna"\npassword = "x"\n',
        b'user = "anna"\npassword_file = "x"\npassword_variable = "X"\nallow_plaintext = true\n',
        b'port = "104"\n', b"[remote_nodes.pacs.time_limits]\nconnect = -1\n", b"hosst = 1\n", b"tls = 1\n",
        b"[time_limits]\nresponce = 1\n", b"remote_nodes = 3\n", b'ae_title = "MUCH TOO LONG A TITLE"\n',
    ):  # fmt: skip
        yield "_configuration", more if more.startswith((b"[local", b"remote")) else node + more


def keep(folder: Path, target: Path) -> None:
    """Store inputs that reach everything that the whole folder reaches, the shortest first."""
    from wire.hostile import drive  # noqa: PLC0415 - as in main

    seen: set[tuple[CodeType, int, int]] = set()
    kept: list[bytes] = []
    paths = sorted(folder.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    for path in paths:
        data = path.read_bytes()
        reached = _reached(drive, data)
        broke_a_rule = path.name.startswith("crash-")  # libFuzzer's name for it
        if broke_a_rule or not reached <= seen:
            seen |= reached
            kept.append(data)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for data in kept:
            archive.writestr(zipfile.ZipInfo(_name(data)), data, zipfile.ZIP_DEFLATED)
    size = target.stat().st_size
    print(f"{len(kept)} of {len(paths)} inputs reach {len(seen)} pairs of lines, {size} bytes")


def _reached(drive: Callable[[bytes], None], data: bytes) -> set[tuple[CodeType, int, int]]:
    """Return the pairs of consecutive lines in `dcm` that are executed while `data` is read."""
    reached: set[tuple[CodeType, int, int]] = set()
    package = str(ROOT / "dcm")

    def enter(frame: FrameType, _event: str, _argument: object) -> object:
        code = frame.f_code
        if not code.co_filename.startswith(package):
            return None
        before = 0

        def step(frame: FrameType, event: str, _argument: object) -> object:
            nonlocal before
            if event == "line":
                reached.add((code, before, frame.f_lineno))
                before = frame.f_lineno
            return step

        return step

    sys.settrace(enter)
    try:
        drive(data)
    finally:
        sys.settrace(None)
    return reached


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    main()
