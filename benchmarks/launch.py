"""Run a program, and print what it used: `python -S -E launch.py LIMIT PROGRAM ARGUMENT...`.

A child process inherits the peak memory of its parent, so the parent must be small: this imports
very little.
"""

import os
import signal
import sys
import time


def main() -> None:
    """Print exit status, wall time, CPU time and peak memory in MB."""
    limit, *command = sys.argv[1:]
    nowhere = os.open(os.devnull, os.O_RDWR)
    files = [(os.POSIX_SPAWN_DUP2, nowhere, number) for number in (1, 2)]
    begun = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
    for asked in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(asked, lambda *_: os.kill(child, signal.SIGTERM))
    signal.alarm(int(limit))
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - begun
    cpu = used.ru_utime + used.ru_stime
    print(os.waitstatus_to_exitcode(status), wall, cpu, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
