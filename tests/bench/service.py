#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What a service feels while its guest moves: an outside client sends requests
at a fixed rate, over a network that the migration does not use, and notes how
long each was under way; by pre-copy, post-copy and the hybrid, one after
another.  The migration goes over a line of 1 Gbit/s (xmig-link).

  service.py [-b BUILD] [-m GUEST-MIB] [-d DELAY-MS] [MODE...]

Prints a table, and writes BUILD/bench/service.json and service.svg.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

MODES = [("pre-copy", []), ("post-copy", ["--postcopy"]),
         ("hybrid", ["--postcopy-after-precopy"])]
RATE = 200                      # requests a second
BEFORE_S, AFTER_S = 3, 4
MAC = "00:16:3e:00:00:01"
RECEIVE = "10.77.0.2"           # the other end of xmig-link
PORT = 8002
# Where the guest is, from an event of the migration on.
PHASES = ["before", "live", "pause", "fetching", "after"]


def fail(what, *files):
    print("service: " + what, file=sys.stderr)
    for name in files:
        with open(name, encoding="utf-8", errors="replace") as f:
            sys.stderr.write(f.read()[-2000:])
    sys.exit(1)


class Bench:
    """Two hosts, a switch, a line between the hosts; ended by close()."""

    def __init__(self, mib, delay_ms):
        self.dir = tempfile.mkdtemp(prefix="xmig-service.")
        self.mib = mib
        self.children = []
        self.a, self.b = self.path("A"), self.path("B")
        self.line = self.path("line")
        self.start_switch()
        for host in (self.a, self.b):
            self.run("xmig-emu", "start", "--memory", str(mib + 128),
                     "--switch", self.path("switch"), host)
        self.run("xmig-link", "start", self.line, "--delay", str(delay_ms),
                 "--rate", "1000")

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, *cmd):
        r = subprocess.run(cmd, stdout=subprocess.PIPE, text=True,
                           stderr=subprocess.STDOUT, check=False, timeout=600)
        if r.returncode:
            fail("%s: %s" % (" ".join(cmd), r.stdout))
        return r.stdout.strip()

    def spawn(self, cmd, out, **kw):
        p = subprocess.Popen(cmd, stderr=subprocess.STDOUT,
                             stdout=open(self.path(out), "wb"), **kw)
        self.children.append(p)
        return p

    def ready(self, cmd, out):
        """cmd with a pipe that it writes to when it is ready."""
        rd, wr = os.pipe()
        p = self.spawn(cmd + ["--ready-fd", str(wr)], out, pass_fds=[wr])
        os.close(wr)
        if not os.read(rd, 1):
            fail("%s ends" % cmd[0], self.path(out))
        os.close(rd)
        return p

    def start_switch(self):
        self.ready(["xmig-emu-switch", "--socket", self.path("switch")],
                   "switch.log")

    def guest(self):
        cfg = self.path("cfg")
        size, fill = self.mib // 2, self.mib // 3
        with open(cfg, "w", encoding="ascii") as f:
            f.write('name = "srv"\ntype = "pvh"\nmemory = %d\nvcpus = 2\n'
                    'kernel = "builtin"\nextra = "program=server size=%dM '
                    'rate=20M fill=%dM verify-delay=15s"\nvif = [ "mac=%s" ]\n'
                    % (self.mib, size, fill, MAC))
        domid = self.run("xmig-emu", "create", self.a, cfg)
        self.run("xmig-emu", "wait", "--timeout", "120", "--node",
                 "data/state=running", self.a, domid)

    def move(self, how):
        """(when it began, [event]) of one migration."""
        recv = self.spawn(["xmig-link", "run", self.line, "there", "--",
                           "xmig-emu", "run", self.b, "--", "xmig", "receive",
                           "--once", "--listen", "%s:%d" % (RECEIVE, PORT)],
                          "receive.log")
        self.await_listener()
        fifo = self.path("events")
        os.mkfifo(fifo)
        events, begin = [], []

        def read():
            with open(fifo, encoding="utf-8") as f:
                for line in f:
                    if not events:
                        begin.append(time.monotonic())
                    events.append(json.loads(line))
        reader = threading.Thread(target=read)
        reader.start()
        send = self.spawn(["xmig-link", "run", self.line, "here", "--",
                           "xmig-emu", "run", self.a, "--", "xmig", "migrate",
                           "--log-json", fifo, *how, "srv",
                           "%s:%d" % (RECEIVE, PORT)], "migrate.log")
        if send.wait(600) or recv.wait(60):
            fail("it does not move", self.path("migrate.log"),
                 self.path("receive.log"))
        reader.join()
        os.unlink(fifo)
        return begin[0], events

    def await_listener(self):
        end = time.monotonic() + 30
        probe = ["xmig-link", "run", self.line, "there", "--", "sh", "-c",
                 "grep -qi ':%04X 00000000:0000 0A' /proc/net/tcp" % PORT]
        while subprocess.run(probe, check=False).returncode:
            if time.monotonic() > end:
                fail("nobody listens", self.path("receive.log"))
            time.sleep(0.05)

    def measure(self, how):
        self.guest()
        timeline = self.path("timeline")
        client = self.ready(["xmig-emu-client", "--switch",
                             self.path("switch"), "--mac", MAC, "--rate",
                             str(RATE), "--json", "--timeline", timeline],
                            "client.json")
        zero = time.monotonic()
        time.sleep(BEFORE_S)
        begin, events = self.move(how)
        time.sleep(AFTER_S)
        client.terminate()
        if client.wait(60):
            fail("the client is not content", self.path("client.json"))
        with open(timeline, encoding="ascii") as f:
            rows = [tuple(map(int, line.split(","))) for line in
                    f.read().split()[1:]]
        domid = next(line.split()[1] for line in self.run(
            "xmig-emu", "list", self.b).splitlines()
            if line.startswith("srv "))
        self.run("xmig-emu", "wait", "--timeout", "120", "--node",
                 "data/verdict=ok*", self.b, domid)
        self.run("xmig-emu", "destroy", self.b, domid)
        # Seconds since the migration began, latency in ms.
        off = zero - begin
        return ([(s / 1e6 + off, lat / 1e3) for _, s, lat in rows],
                phases_of(events), events[-1]["stats"])

    def close(self):
        for p in self.children:
            if p.poll() is None:
                p.terminate()
        for p in self.children:
            p.wait()
        for host in (self.a, self.b):
            subprocess.run(["xmig-emu", "stop", host], check=False,
                           stdout=subprocess.DEVNULL)
        subprocess.run(["xmig-link", "stop", self.line], check=False)
        shutil.rmtree(self.dir)


def phases_of(events):
    """name -> when it begins, in seconds since the migration did."""
    at = {"before": -1e9, "live": 0.0}
    for e in events:
        t = e["time-us"] / 1e6
        text = e.get("text", "")
        if e["event"] == "state" and text == "suspending":
            at["pause"] = t
        elif e["event"] == "state" and text == "drain":
            at["fetching"] = t
    at["after"] = events[-1]["time-us"] / 1e6
    # In pre-copy the pause ends before the copy at the source has gone.
    st = events[-1]["stats"]
    running = at["pause"] + st["downtime-us"] / 1e6
    if "fetching" in at:
        at["fetching"] = min(at["fetching"], running)
    else:
        at["after"] = running
    return at


def of_phases(samples, at):
    """phase -> figures, of the requests that were sent in it."""
    names = [p for p in PHASES if p in at]
    out = {}
    for name, nxt in zip(names, names[1:] + [None]):
        end = at[nxt] if nxt else 1e9
        lat = sorted(lat for t, lat in samples if at[name] <= t < end)
        if lat:
            out[name] = {"seconds": None if name in ("before", "after")
                         else round(end - at[name], 4), "requests": len(lat),
                         "p50": lat[len(lat) // 2],
                         "p99": lat[len(lat) * 99 // 100], "max": lat[-1]}
    return out


# ---- The picture -------------------------------------------------------------
WIDTH, LEFT, PANEL, GAP, TOP = 960, 70, 200, 56, 40
COLOURS = {"live": "#e8f0fa", "pause": "#d55e00", "fetching": "#fdf0d5"}
DECADES = [0.1, 1, 10, 100, 1000]


def panel(out, y, name, samples, at, t0, t1):
    import math

    def px(t):
        return LEFT + (t - t0) / (t1 - t0) * (WIDTH - LEFT - 20)

    def py(ms):
        ms = min(max(ms, DECADES[0]), DECADES[-1])
        return y + PANEL * (1 - math.log10(ms / DECADES[0]) /
                            math.log10(DECADES[-1] / DECADES[0]))
    names = [p for p in PHASES if p in at]
    for p, nxt in zip(names, names[1:] + [None]):
        if p in COLOURS:
            x0, x1 = px(max(at[p], t0)), px(min(at[nxt] if nxt else t1, t1))
            out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" '
                       'fill="%s"/>' % (x0, y, max(x1 - x0, 1), PANEL,
                                        COLOURS[p]))
    for ms in DECADES:
        out.append('<path class="g" d="M%d %.1fH%d"/><text x="%d" y="%.1f" '
                   'text-anchor="end">%g ms</text>' %
                   (LEFT, py(ms), WIDTH - 20, LEFT - 6, py(ms) + 4, ms))
    for t in range(int(t0), int(t1) + 1, max(1, int(t1 - t0) // 12)):
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%d s</text>' %
                   (px(t), y + PANEL + 15, t))
    # The worst of each hundredth of a second, so that none is lost.
    worst = {}
    for t, ms in samples:
        worst[int(t * 100)] = max(worst.get(int(t * 100), 0), ms)
    dots = "".join("M%.1f %.1fh0" % (px(k / 100), py(ms))
                   for k, ms in sorted(worst.items()) if t0 <= k / 100 <= t1)
    out.append('<path class="d" d="%s"/>' % dots)
    out.append('<text x="%d" y="%d" class="h">%s</text>' % (LEFT, y - 8, name))


def draw(path, results):
    t0 = -float(BEFORE_S)
    t1 = max(at["after"] for _, _, at, _ in results) + 2
    height = TOP + len(results) * (PANEL + GAP) + 20
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
           'font-family="sans-serif" font-size="12">' % (WIDTH, height),
           '<style>.g{stroke:#ccc;stroke-width:.5}.d{stroke:#0072b2;'
           'stroke-width:2.5;stroke-linecap:round}.h{font-size:15px}</style>',
           '<rect width="100%" height="100%" fill="#fff"/>']
    for i, (name, samples, at, _) in enumerate(results):
        panel(out, TOP + i * (PANEL + GAP), name, samples, at, t0, t1)
    out.append('<text x="%d" y="%d">latency of a request by when it was sent, '
               'the worst of each 10 ms; shaded: pre-copy (blue), the guest '
               'stands still (red), it runs and fetches (yellow)</text></svg>'
               % (LEFT, height - 8))
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("-b", "--build", default="build")
    ap.add_argument("-m", "--mib", type=int, default=1024)
    ap.add_argument("-d", "--delay", type=int, default=0)
    ap.add_argument("modes", nargs="*", default=[m for m, _ in MODES])
    o = ap.parse_args()
    build = os.path.abspath(o.build)
    os.environ["PATH"] = "%s/bin:%s/emu:%s" % (build, build,
                                              os.environ["PATH"])
    results = []
    bench = Bench(o.mib, o.delay)
    try:
        for name, how in [m for m in MODES if m[0] in o.modes]:
            samples, at, st = bench.measure(how)
            results.append((name, samples, at, st))
            print("%s: total %d ms, downtime %.1f ms, sent %.0f MiB" % (
                name, st["total-time"], st["downtime-us"] / 1e3,
                st["ram"]["transferred"] / 2**20))
            if "postcopy" in st:
                print("  %d pages, %d requests, p50 %d us, p99 %d us" % tuple(
                    st["postcopy"][k] for k in ("pages", "requests",
                                                "fault-p50-us",
                                                "fault-p99-us")))
            for phase, f in of_phases(samples, at).items():
                print("  %-9s %8s s  %6d requests  p50 %8.2f  p99 %8.2f  "
                      "max %8.2f ms" % (phase, "" if f["seconds"] is None
                                        else "%.3f" % f["seconds"],
                                        f["requests"], f["p50"], f["p99"],
                                        f["max"]))
    finally:
        bench.close()
    os.makedirs(build + "/bench", exist_ok=True)
    with open(build + "/bench/service.json", "w", encoding="utf-8") as f:
        json.dump([{"how": n, "total-ms": st["total-time"],
                    "downtime-us": st["downtime-us"],
                    "transferred": st["ram"]["transferred"],
                    "phases": of_phases(s, at)} for n, s, at, st in results],
                  f, indent=1)
    draw(build + "/bench/service.svg", results)
    print("written: bench/service.json, bench/service.svg in " + o.build)


main()
