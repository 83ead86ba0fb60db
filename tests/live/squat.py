#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Be where a receiver that has died was listening, until PID asks who is there.

    squat.py SOCKET PID

Connections are closed at once.  Exit status 0: PID has asked, and the place
is free again; 1: somebody else was there first, or nobody asked.
"""
import fcntl
import os
import socket
import struct
import sys

path, pid = sys.argv[1], int(sys.argv[2])
where = os.open(os.path.dirname(path), os.O_RDONLY)
fcntl.flock(where, fcntl.LOCK_EX)
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
    try:
        probe.connect(path)
        sys.exit("somebody listens there")
    except ConnectionRefusedError:
        os.unlink(path)
    except FileNotFoundError:
        pass
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(path)
listener.listen(64)
fcntl.flock(where, fcntl.LOCK_UN)
listener.settimeout(30)
who = 0
while who != pid:
    conn, _ = listener.accept()
    cred = conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    who = struct.unpack("3i", cred)[0]
    conn.close()
listener.close()
