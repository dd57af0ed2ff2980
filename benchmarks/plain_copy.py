"""The minimum cost of a transfer: files over a loopback socket, two processes, no protocol.

python benchmarks/plain_copy.py FOLDER TARGET
"""

import os
import socket
import sys
from pathlib import Path

SIZE = 1 << 20


def receive(server: socket.socket, target: Path) -> None:
    """Write received data to files; each is preceded by its length."""
    connected, _ = server.accept()
    memory = memoryview(bytearray(SIZE))
    number = 0
    while len(head := connected.recv(8, socket.MSG_WAITALL)) == 8:
        left = int.from_bytes(head, "little")
        descriptor = os.open(target / str(number), os.O_WRONLY | os.O_CREAT, 0o666)
        while left:
            count = connected.recv_into(memory[: min(left, SIZE)])
            os.write(descriptor, memory[:count])
            left -= count
        os.close(descriptor)
        connected.sendall(b"ok")
        number += 1


def send(port: int, folder: Path) -> None:
    """Send all files, waiting for a response to each, as in DICOM."""
    memory = memoryview(bytearray(SIZE))
    with socket.create_connection(("127.0.0.1", port)) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for path in folder.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            size = os.fstat(descriptor).st_size
            assert os.preadv(descriptor, [memory[:size]], 0) == size
            connected.sendmsg([size.to_bytes(8, "little"), memory[:size]])
            os.close(descriptor)
            connected.recv(2, socket.MSG_WAITALL)


def main() -> None:
    """Copy the files."""
    folder, target = map(Path, sys.argv[1:])
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if not child:
            receive(server, target)
            os._exit(0)
        send(server.getsockname()[1], folder)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
