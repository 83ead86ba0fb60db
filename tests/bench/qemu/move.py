#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Moves a guest between two QEMUs over TCP on the loopback, once.

  move.py --image FILE --memory MIB --dir DIR [--multifd N]
          [--postcopy [--preempt]]

The guest is guest.S: it says on the debug console when it is ready, and that
it runs 1024 times a second.  Prints one line of key=value: us, bytes, cpu_us,
down_us (last sign of life at the source to the first at the destination),
qemu_down_us, setup_us, ticks_per_s before the move, requests, pages, forced (1:
it did not converge, and after 30 s any downtime was allowed); with --postcopy
also faults, fault_p50_us, fault_p99_us as the guest noted them.
CPU is that of both processes without their vCPU threads, which emulate.
"""
import argparse
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

NOTES = 0x10000
LIMIT_S = 120
FORCE_S = 30                    # then any downtime will do


def now_us():
    return time.monotonic_ns() // 1000


class Console:
    """Reads the guest's signs of life as they come."""

    def __init__(self, path):
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR)
        self.first_us = self.last_us = self.ticks = 0
        self.ready = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            data = os.read(self.fd, 65536)
            self.last_us = now_us()
            if not self.first_us:
                self.first_us = self.last_us
            self.ticks += data.count(b".")
            if b"F" in data:
                self.ready.set()


class Qemu:
    def __init__(self, args, name, incoming):
        self.dir = args.dir
        self.name = name
        self.console = Console(os.path.join(args.dir, name + ".con"))
        path = os.path.join(args.dir, name + ".qmp")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(1)
        server.settimeout(LIMIT_S)
        self.log = open(os.path.join(args.dir, name + ".err"), "wb")
        self.proc = subprocess.Popen(
            ["qemu-system-x86_64", "-name", "bench,debug-threads=on",
             "-M", "pc", "-accel", "tcg", "-m", str(args.memory),
             "-nodefaults", "-no-user-config", "-display", "none",
             "-drive", "if=floppy,format=raw,readonly=on,file=" + args.image,
             "-boot", "a",
             "-chardev", "file,id=con,path=" + os.path.join(args.dir,
                                                            name + ".con"),
             "-device", "isa-debugcon,iobase=0xe9,chardev=con",
             "-qmp", "unix:%s" % path]
            + (["-incoming", "defer"] if incoming else []),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.sock, _ = server.accept()
        server.close()
        self.sock.settimeout(LIMIT_S)
        self.buffer = b""
        self.events = []
        self.receive()
        self.call("qmp_capabilities")

    def receive(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise RuntimeError("%s: QEMU is gone" % self.name)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def call(self, command, **arguments):
        self.sock.sendall(json.dumps({"execute": command, "arguments":
                                      arguments}).encode() + b"\n")
        while True:
            reply = self.receive()
            if "event" in reply:
                self.events.append(reply)
            elif "error" in reply:
                raise RuntimeError("%s: %s: %s" % (
                    self.name, command, reply["error"]["desc"]))
            else:
                return reply["return"]

    def wait_status(self, wanted, limit_us=None):
        """The MIGRATION event that says so; failed is an error.  False when
        it has not come by limit_us."""
        while True:
            while self.events:
                event = self.events.pop(0)
                status = event.get("data", {}).get("status")
                if event["event"] != "MIGRATION":
                    continue
                if status in wanted:
                    return True
                if status in ("failed", "cancelled", "postcopy-paused"):
                    raise RuntimeError("%s: migration %s"
                                       % (self.name, status))
            if limit_us and b"\n" not in self.buffer and not select.select(
                    [self.sock], [], [], max(0, limit_us - now_us()) / 1e6)[0]:
                return False
            reply = self.receive()
            if "event" in reply:
                self.events.append(reply)

    def capabilities(self, names):
        self.call("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in names])

    def cpu_us(self):
        """All threads, also those that are gone, less the vCPU's."""
        total = cpu_ticks("/proc/%d/stat" % self.proc.pid)
        tasks = "/proc/%d/task" % self.proc.pid
        for task in os.listdir(tasks):
            try:
                with open("%s/%s/comm" % (tasks, task)) as f:
                    vcpu = f.read().startswith("CPU ")
                if vcpu:
                    total -= cpu_ticks("%s/%s/stat" % (tasks, task))
            except OSError:
                pass
        return total * 1000000 // os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.proc.kill()
        self.proc.wait()


def cpu_ticks(path):
    with open(path) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def tsc_per_us():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("cpu MHz"):
                return float(line.split(":")[1])
    raise RuntimeError("no cpu MHz in /proc/cpuinfo")


def notes(qemu):
    """What the guest noted of long accesses, in us."""
    path = os.path.join(qemu.dir, "notes")
    qemu.call("pmemsave", val=NOTES, size=4 + 4 * 0x8000, filename=path)
    with open(path, "rb") as f:
        data = f.read()
    count = struct.unpack_from("<I", data)[0]
    ticks = struct.unpack_from("<%dI" % count, data, 4)
    mhz = tsc_per_us()
    return [t * 16 / mhz for t in ticks]


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))]


def move(args, src, dst):
    names = ["events"]
    if args.multifd:
        names.append("multifd")
    if args.postcopy:
        names.append("postcopy-ram")
    if args.preempt:
        names.append("postcopy-preempt")
    for qemu in (src, dst):
        qemu.capabilities(names)
        # Neither is to wait for a limit that is meant for other links.
        qemu.call("migrate-set-parameters",
                  **{"max-bandwidth": 1 << 40,
                     "downtime-limit": args.downtime_limit,
                     **({"multifd-channels": args.multifd}
                        if args.multifd else {})})
    dst.call("migrate-incoming", uri="tcp:127.0.0.1:0")
    port = dst.call("query-migrate")["socket-address"][0]["port"]

    ticks = src.console.ticks
    time.sleep(0.5)
    result = {"ticks_per_s": 2 * (src.console.ticks - ticks)}
    noted = len(notes(src)) if args.postcopy else 0
    cpu_us = src.cpu_us() + dst.cpu_us()
    begin_us = now_us()
    src.call("migrate", uri="tcp:127.0.0.1:%s" % port)
    if args.postcopy:
        src.call("migrate-start-postcopy")
    forced = not src.wait_status(("completed",), begin_us + FORCE_S * 1000000)
    if forced:
        src.call("migrate-set-parameters", **{"downtime-limit": 2000000})
        src.wait_status(("completed",))
    end_us = now_us()
    dst.wait_status(("completed",))
    while not dst.console.first_us:
        if now_us() - end_us > LIMIT_S * 1000000:
            raise RuntimeError("the guest does not run at the destination")
        time.sleep(0.001)
    result["cpu_us"] = src.cpu_us() + dst.cpu_us() - cpu_us
    result["forced"] = forced
    result["us"] = max(end_us, dst.console.first_us) - begin_us
    result["down_us"] = dst.console.first_us - src.console.last_us

    info = src.call("query-migrate")
    result["bytes"] = info["ram"]["transferred"]
    result["pages"] = info["ram"]["normal"]
    result["requests"] = info["ram"].get("postcopy-requests", 0)
    result["qemu_down_us"] = info["downtime"] * 1000
    result["setup_us"] = info["setup-time"] * 1000
    if args.postcopy:
        took = sorted(notes(dst)[noted:])
        result["faults"] = len(took)
        if took:
            result["fault_p50_us"] = int(percentile(took, 0.5))
            result["fault_p99_us"] = int(percentile(took, 0.99))
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--multifd", type=int, default=0)
    parser.add_argument("--downtime-limit", type=int, default=300)
    parser.add_argument("--postcopy", action="store_true")
    parser.add_argument("--preempt", action="store_true")
    args = parser.parse_args()
    ends = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        ends.append(Qemu(args, "source", False))
        ends.append(Qemu(args, "destination", True))
        if not ends[0].console.ready.wait(LIMIT_S):
            raise RuntimeError("the guest does not come up")
        result = move(args, *ends)
    except (RuntimeError, OSError) as e:
        print("move.py: %s" % e, file=sys.stderr)
        return 1
    finally:
        for qemu in ends:
            qemu.stop()
    print(" ".join("%s=%d" % pair for pair in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
