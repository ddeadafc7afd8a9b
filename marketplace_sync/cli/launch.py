"""Becomes another program that ends when `up` ends, however `up` ends.

Run as a plain file by the supervisor, before the real program, with nothing but the standard library: setting this up
between fork and exec instead would run Python code in a copy of a process that may hold locks.

    python -I -S launch.py PID_OF_UP PROGRAM ARGUMENT...
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    supervisor, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        # It died before it could be watched.
        sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
