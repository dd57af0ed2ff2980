"""Instances that failed a check, kept in a folder, as there may be no other copy of them."""

import asyncio
import os
from pathlib import Path

from dcm.instances import SLICE, Instance
from dcm.sinks import Folder, Head
from dcm.wire import CStoreRQ


async def kept(instance: Instance, folder: str) -> str:
    """Write an instance to a folder, and return its file. Raises `OSError` and `UnusableInstance`."""
    os.makedirs(folder, exist_ok=True)
    sop_class, syntax = instance.kind
    request = CStoreRQ(
        message_id=1,
        affected_sop_class_uid=sop_class,
        affected_sop_instance_uid=instance.sop_instance_uid,
    )
    part = Folder(Path(folder)).begin(Head(request, syntax, "", "", ""))

    def write() -> None:
        for data, _ in instance.slices(bytearray(SLICE), []):
            part.write([data])

    try:
        await asyncio.to_thread(write)
        return (await part.commit()).file
    finally:
        part.discard()
