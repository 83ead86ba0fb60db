#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A link that breaks: TCP connections relayed to another port.

    link.py LISTEN TARGET LOG [RULE...]

Both ports are on 127.0.0.1.  Rules come into force one after another; each
ends with a cut, of all connections at once:

    N       after N more bytes to the target
    N-      the same, and new connections are refused until SIGUSR1
    late=N  no such rule: from the start, what the target says on control
            connections (by the role in their HELLO) comes N ms late

SIGUSR1 cuts, too, and SIGUSR2 as "N-" does.  LOG gets a line "cut N" for
each, with its number.  One connection that is not read does not stop others.
"""
import selectors
import signal
import socket
import struct
import sys
import time

listen, target, log = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rules = [rule for rule in sys.argv[4:] if not rule.startswith("late=")]
late = [int(rule[5:]) / 1000 for rule in sys.argv[4:] if rule.startswith("late=")]
sel = selectors.DefaultSelector()
pairs = {}                      # socket -> the other end
ended = set()                   # those that have said all
waiting = {}                    # socket -> what it has not taken yet
fresh = set()                   # those of which nothing has come yet
outward = set()                 # those that the source made
control = set()                 # ends of those that what comes late goes to
held = []                       # (when, where to, what or nothing for the end)
state = {"bytes": 0, "cuts": 0, "down": False}


def reset(sock):
    # With nothing left to linger for, close is a reset.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def watch(sock):
    """Read from it while the other end takes it, write what waits for it."""
    events = 0
    if sock not in ended and pairs[sock] not in waiting:
        events |= selectors.EVENT_READ
    if sock in waiting:
        events |= selectors.EVENT_WRITE
    if sock in sel.get_map():
        sel.unregister(sock)
    if events:
        sel.register(sock, events)


def forget(sock):
    if sock in sel.get_map():
        sel.unregister(sock)
    del pairs[sock]
    ended.discard(sock)
    waiting.pop(sock, None)
    outward.discard(sock)
    control.discard(sock)
    fresh.discard(sock)


def cut():
    state["cuts"] += 1
    state["bytes"] = 0
    for sock in list(pairs):
        forget(sock)
        reset(sock)
    with open(log, "a", encoding="ascii") as f:
        f.write(f"cut {state['cuts']}\n")


def on_signal(sig):
    if sig == signal.SIGUSR2:
        state["down"] = True
        cut()
    elif state["down"]:
        state["down"] = False
    else:
        cut()


def part(sock):
    for one in sock, pairs[sock]:
        forget(one)
        one.close()


def end(sock):
    """Nothing more comes from there; the other direction may go on."""
    other = pairs[sock]
    ended.add(sock)
    watch(sock)
    if other in waiting:
        return
    if other in ended and sock not in waiting:
        part(sock)
    else:
        other.shutdown(socket.SHUT_WR)


def accept():
    here, _ = server.accept()
    there = socket.socket()
    try:
        if state["down"]:
            raise OSError
        there.connect(("127.0.0.1", target))
    except OSError:
        reset(here)
        there.close()
        return
    pairs[here], pairs[there] = there, here
    outward.add(here)
    fresh.add(here)
    for one in here, there:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        watch(one)


def send(sock, data):
    had = sock in waiting
    try:
        data = data[sock.send(data):]
    except BlockingIOError:
        pass
    if data:
        waiting[sock] = data
    else:
        waiting.pop(sock, None)
    if had != bool(data):
        watch(sock)
        watch(pairs[sock])
    if not data and pairs[sock] in ended:
        end(pairs[sock])


def is_control(hello):
    """A record header, 8 of magic, two versions, then the role."""
    return hello[28:30] == b"\x01\x00"


def release():
    """What has been held back for long enough."""
    while held and held[0][0] <= time.monotonic():
        _, sock, data = held.pop(0)
        if sock not in pairs:
            continue
        try:
            if not data:
                end(pairs[sock])
            elif sock in waiting:
                waiting[sock] += data
            else:
                send(sock, data)
        except OSError:
            if sock in pairs:
                part(sock)


def take(sock):
    data = sock.recv(65536)
    if sock in fresh:
        fresh.discard(sock)
        if late and is_control(data):
            control.add(sock)
    if pairs[sock] in control:
        held.append((time.monotonic() + late[0], pairs[sock], data))
        if not data:
            ended.add(sock)
            watch(sock)
        return
    if not data:
        end(sock)
        return
    if sock in outward and rules:
        state["bytes"] += len(data)
        if state["bytes"] >= int(rules[0].rstrip("-")):
            state["down"] = rules[0].endswith("-")
            rules.pop(0)
            cut()
            return
    send(pairs[sock], data)


def relay(sock, events):
    """It may have gone since it was found ready."""
    try:
        if sock in waiting and events & selectors.EVENT_WRITE:
            send(sock, waiting[sock])
        if sock in pairs and events & selectors.EVENT_READ:
            take(sock)
    except BlockingIOError:
        pass
    except OSError:
        if sock in pairs:
            part(sock)


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", listen))
server.listen(64)
# Signals come as bytes, between two looks at the sockets.
signals, told = socket.socketpair()
told.setblocking(False)
signal.set_wakeup_fd(told.fileno())
for number in signal.SIGUSR1, signal.SIGUSR2:
    signal.signal(number, lambda *_: None)
sel.register(signals, selectors.EVENT_READ)
sel.register(server, selectors.EVENT_READ)
while True:
    release()
    for key, events in sel.select(0.01 if held else None):
        if key.fileobj is server:
            accept()
        elif key.fileobj is signals:
            for number in signals.recv(16):
                on_signal(number)
        else:
            relay(key.fileobj, events)
