"""A proxy that delays each byte, both ways: `python benchmarks/distance.py PORT TARGET_PORT SECONDS`.

It simulates the distance to a remote archive; throughput is not limited. The kernel accepts
connections immediately, so the TCP handshake costs nothing here. Blocking threads wake up within
about 0.1 ms of the due time; an event loop waits for whole milliseconds.
"""

import contextlib
import socket
import sys
import time
from queue import SimpleQueue
from threading import Thread

Queue = SimpleQueue[tuple[float, bytes]]


def read(source: socket.socket, queue: Queue, delay: float) -> None:
    """Record when each part is due, and finally an empty one."""
    data = b"the first"
    while data:
        try:
            data = source.recv(1 << 18)
        except OSError:
            data = b""
        queue.put((time.monotonic() + delay, data))


def write(target: socket.socket, queue: Queue) -> None:
    """Pass each part on when it is due."""
    data = b"the first"
    with contextlib.suppress(OSError):
        while data:
            due, data = queue.get()
            time.sleep(max(0.0, due - time.monotonic()))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def serve(near: socket.socket, target: int, delay: float) -> None:
    """Connect to the target, and pass everything on until both sides have ended."""
    with near, socket.create_connection(("127.0.0.1", target)) as far:
        threads = []
        for source, other in ((near, far), (far, near)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            queue = Queue()
            threads.append(Thread(target=read, args=(source, queue, delay)))
            threads.append(Thread(target=write, args=(other, queue)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    """Serve until killed."""
    port, target, delay = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            Thread(target=serve, args=(server.accept()[0], target, delay), daemon=True).start()


if __name__ == "__main__":
    main()
