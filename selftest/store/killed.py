"""Stores instances in a directory until it is killed: `python killed.py FOLDER FIRST`.

Prints the number of each one once its commit has returned.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from store.objects import CT, EXPLICIT, content, instance

from dcm.data.header import scan_bytes
from dcm.sinks import Head
from dcm.store.directory import Directory
from dcm.wire import CStoreRQ

_COUNT = 20_000


def tell(what: object) -> None:
    """Print the number immediately."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def main(folder: Path, first: int) -> None:
    """Store one instance after the other, in folders by patient."""
    async with Directory(
        folder, layout=lambda header: f"{header.text('PatientID')}/{header.sop_instance_uid}.dcm"
    ) as directory:
        tell("begun")
        sink = directory.sink
        for number in range(first, first + _COUNT):
            made = instance(number, PatientID=f"P{number // 20}")
            data = content(made, pixels=20_000)
            offset = scan_bytes(data, ()).data_set_offset
            request = CStoreRQ(
                message_id=1,
                affected_sop_class_uid=CT,
                affected_sop_instance_uid=made["SOPInstanceUID"],
            )
            part = sink.begin(Head(request, EXPLICIT, "", "", ""))
            for start in range(offset, len(data), 8000):
                part.write([data[start : start + 8000]])
            await part.commit()
            tell(number)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
