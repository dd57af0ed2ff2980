"""The cost of `dcm.wire` for each message, in memory: the best of many rounds, in microseconds."""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "selftest")]

from wire.pair import CT, established, joined  # noqa: E402

from dcm.wire import (  # noqa: E402
    CFindRSP,
    CGetRSP,
    Command,
    CStoreRQ,
    DataFragment,
    Message,
    Sent,
    store_request,
    store_response,
)

MANY = 400
ROUNDS = 150
NUMBERS = range(1, MANY + 1)
UIDS = [f"1.2.840.113619.2.55.3.{100_000 + at}.{at * 7919}" for at in NUMBERS]
DATA = memoryview(bytes(10_000))


def main() -> None:
    """Print a table."""
    requestor, acceptor = established("requestor"), established("acceptor")
    buffer = memoryview(bytearray(1 << 20))
    data = DataFragment(3, DATA, last=True)

    def said(*events: Sent) -> bytes:
        return joined(acceptor.send(*events))

    def received(stream: bytes) -> Message:
        buffer[: len(stream)] = stream
        acceptor.receive_data(buffer[: len(stream)])
        command = acceptor.next_events()[0]
        assert isinstance(command, Command)
        return command.message

    def send(number: int) -> None:
        requestor.send(Command(3, store_request(number, CT, UIDS[number - 1])), data)

    def serve(number: int) -> None:
        request = received(requests[number - 1])
        assert isinstance(request, CStoreRQ)
        acceptor.send(Command(3, store_response(request)))

    stored = [store_request(number, CT, UIDS[number - 1]) for number in NUMBERS]
    requests = [said(Command(3, request), data) for request in stored]
    responses = [said(Command(3, store_response(request))) for request in stored]
    answer = {"message_id_being_responded_to": 1, "status": 0xFF00}
    counts = {"number_of_failed_suboperations": 0, "number_of_warning_suboperations": 0}
    pending = [
        said(Command(3, CGetRSP(**answer, **counts, number_of_remaining_suboperations=number)))
        for number in NUMBERS
    ]
    match = Command(3, CFindRSP(**answer, command_data_set_type=1))
    matches = said(match, DataFragment(3, bytes(200), last=True)) * 20

    measure("send C-STORE-RQ and 10 kB", send)
    measure("receive C-STORE-RSP", lambda number: received(responses[number - 1]))
    measure("receive C-STORE-RQ and 10 kB, send C-STORE-RSP", serve)
    measure("receive pending C-GET-RSP", lambda number: received(pending[number - 1]))
    measure("receive 20 pending C-FIND-RSP with 200 bytes each", lambda _: received(matches))


def measure(what: str, work: Callable[[int], object]) -> None:
    """Print the time of one call."""
    best = sys.maxsize
    for _ in range(ROUNDS):
        begun = perf_counter_ns()
        for number in NUMBERS:
            work(number)
        best = min(best, perf_counter_ns() - begun)
    print(f"{what:52}{best / MANY / 1000:7.1f}")


if __name__ == "__main__":
    main()
