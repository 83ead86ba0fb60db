#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""In place of ssh: runs the command on another emulated host.

    ssh [OPTION...] HOST COMMAND...

As ssh does it joins the command's words, relays its standard input and
output, passes its standard error on, and ends with its status; if it is
killed, the command finds its input ended.  The environment:

    SSH_WORK    directory of the hosts; run.N, remote.N and relay.N get the
                command, its process and ours of the Nth run, down (if it is
                there) makes new connections fail
    SSH_EMU     xmig-emu
    SSH_PATH    PATH of the command
    SSH_PIPES   the command gets two pipes, otherwise one socket
    SSH_MODE    banner, garbage: written to the standard output first
                noise: written to the standard error first
                refused: the connection is; once: all but the first are
                hang: it is made, and nothing happens
    SSH_FAULT   XMIG_EMU_FAULT of the command
    SSH_DELAY   ms that what is sent takes, in either direction
    SSH_CUT     N:BYTES: the Nth run breaks after so many bytes to the other
                host
"""
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

work = os.environ["SSH_WORK"]
mode = os.environ.get("SSH_MODE", "")


def number():
    n = 1
    while True:
        try:
            os.close(os.open(f"{work}/run.{n}",
                             os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return n
        except FileExistsError:
            n += 1


def write(name, text):
    with open(f"{work}/{name}.new", "w", encoding="ascii") as f:
        f.write(f"{text}\n")
    os.rename(f"{work}/{name}.new", f"{work}/{name}")


def lose(text):
    print(text, file=sys.stderr)
    sys.exit(255)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def pieces(fd):
    """What can be read from it, piece by piece, when it has arrived."""
    delay = int(os.environ.get("SSH_DELAY", "0")) / 1000
    line = queue.Queue(256)

    def read():
        data = True
        while data:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            line.put((time.monotonic() + delay, data))

    threading.Thread(target=read, daemon=True).start()
    while True:
        due, data = line.get()
        time.sleep(max(0, due - time.monotonic()))
        if not data:
            return
        yield data


class Relay:
    def __init__(self, n, remote):
        cut = os.environ.get("SSH_CUT", "0:0").split(":")
        self.cut = int(cut[1]) if int(cut[0]) == n else None
        if os.environ.get("SSH_PIPES"):
            theirs_in, self.to = os.pipe()
            self.frm, theirs_out = os.pipe()
            self.sock = None
        else:
            self.sock, theirs = socket.socketpair()
            self.to = self.frm = self.sock.fileno()
            theirs_in = theirs_out = theirs.detach()
        self.child = subprocess.Popen(remote, stdin=theirs_in,
                                      stdout=theirs_out)
        for fd in {theirs_in, theirs_out}:
            os.close(fd)

    def there(self):
        sent = 0
        try:
            for data in pieces(0):
                if self.cut is not None and sent + len(data) >= self.cut:
                    write_all(self.to, data[:self.cut - sent])
                    print("Connection closed by remote host.",
                          file=sys.stderr, flush=True)
                    os._exit(255)
                write_all(self.to, data)
                sent += len(data)
        except OSError:
            pass
        try:
            if self.sock:
                self.sock.shutdown(socket.SHUT_WR)
            else:
                os.close(self.to)
        except OSError:
            pass

    def back(self):
        try:
            for data in pieces(self.frm):
                write_all(1, data)
        except OSError:
            pass


def main():
    words = sys.argv[1:]
    while words and words[0].startswith("-"):
        words.pop(0)
    n = number()
    write(f"relay.{n}", os.getpid())
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if os.path.exists(f"{work}/down") or mode == "refused" or \
            (mode == "once" and n > 1):
        lose(f"ssh: connect to host {words[0]} port 22: Connection refused")
    while mode == "hang":
        signal.pause()
    if mode == "banner":
        write_all(1, b"Welcome to this host!\r\nHave fun.\n")
    if mode == "garbage":
        write_all(1, os.urandom(3000))
    if mode == "noise":
        print("Warning: \033[1mthis\033[0m host is monitored",
              file=sys.stderr, flush=True)
    env = ["PATH=" + os.environ["SSH_PATH"], "SSH_CONNECTION=192.0.2.1 1 x 2"]
    if "SSH_FAULT" in os.environ:
        env.append("XMIG_EMU_FAULT=" + os.environ["SSH_FAULT"])
    relay = Relay(n, [os.environ["SSH_EMU"], "run", f"{work}/{words[0]}",
                      "--", "env", *env, "/bin/sh", "-c",
                      "exec " + " ".join(words[1:])])
    write(f"remote.{n}", relay.child.pid)
    threading.Thread(target=relay.there, daemon=True).start()
    relay.back()
    status = relay.child.wait()
    os._exit(status if status >= 0 else 255)


main()
