#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Many migrations of one guest between two emulated hosts, with options.

    many.py pairs EMU XMIG HOST-A HOST-B
    many.py soak  EMU XMIG HOST-A HOST-B [N [SEED]]

pairs  each value of each option of "xmig options" alone, then rows in which
       every two values of two options meet.
soak   N migrations, back to back, with random options; some of them are
       cancelled or have an end killed.  At the end nothing may have grown.

The guest "w" runs on HOST-A.  After each migration both hosts are looked at:
it runs at one of them, whole by its own verdict, and the other one has
nothing.  Prints TAP.
"""
import atexit
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

MODE, EMU, XMIG = sys.argv[1:4]
HOSTS = sys.argv[4:6]
LIMIT = 60                       # seconds that anything may take
nr = failed = 0


def point(good, what, *why):
    global nr, failed
    nr += 1
    print(("" if good else "not ") + "ok %d - %s" % (nr, what))
    if not good:
        failed += 1
        for text in why:
            for line in str(text).splitlines():
                print("# " + line)
    sys.stdout.flush()


def diag(text):
    print("# " + text)
    sys.stdout.flush()


# ---- options ---------------------------------------------------------------
# What a number is tried with, where its least and largest would only take
# long; any other is tried with its least, and a bit more than by default.
NUMBERS = {
    "bandwidth": ["200"], "downtime-limit": ["5", "1000"],
    "lanes": ["2", "5"], "suspend-timeout": ["5000"],
    "connect-timeout": ["5000"], "ssh-timeout": ["30000"],
    "io-timeout": ["20000"], "recover-timeout": ["20000"],
    "timeout": ["30"], "precopy.max-iters": ["1", "3"],
    "precopy.min-remaining": ["0", "2000"], "precopy.max-factor": ["1"],
    "precopy.stall-window": ["1"], "precopy.max-cpu-throttle": ["50"],
}
# Its value shows in the name, which then is another.
NOT_TRIED = {"name"}
# That end well in giving up.
GIVES_UP = ("too busy", 'within "timeout"')
# The plan of a migration refuses what does not go together, or can't be done
# here; it says so before anything starts.
REFUSED = ("does not go with", "can't be used with", "cannot do post-copy",
           "is refused", "not supported")


def values(o):
    """Of an option: but its default."""
    key = o["name"]
    low, high, now = o["min"], o["max"], o["value"]
    if "|" in low or not re.match(r"^[0-9.]+$", low):
        words = (low + "|" + high if high not in low else low).split("|")
        return [w for w in words if w and w != now]
    if key in NUMBERS:
        return NUMBERS[key]
    more = min(float(high or "inf"), float(now) * 2 + 1)
    return [v for v in (low, "%g" % more) if float(v) != float(now)]


def options():
    out = subprocess.check_output([XMIG, "options", "--json"])
    table = {}
    for o in json.loads(out):
        if o["name"] not in NOT_TRIED and (v := values(o)):
            table[o["name"]] = v
    # Not of the library: how the other host is reached.
    table["(transport)"] = ["command"]
    return table


def rows_of_pairs(table, rng):
    """Rows of settings, so that any two values of two options meet in one."""
    full = {k: [None] + v for k, v in table.items()}
    keys = list(full)
    todo = {((a, x), (b, y)) for a, b in itertools.combinations(keys, 2)
            for x in full[a] for y in full[b]}
    rows = []
    while todo:
        best = None
        for _ in range(12):
            row = dict(rng.choice(sorted(todo, key=str)))
            for k in rng.sample(keys, len(keys)):
                if k not in row:
                    row[k] = max(full[k], key=lambda v: (sum(
                        (((k, v), p) in todo) + ((p, (k, v)) in todo)
                        for p in row.items()), rng.random()))
            met = {p for p in todo if row[p[0][0]] == p[0][1] and
                   row[p[1][0]] == p[1][1]}
            if best is None or len(met) > len(best[1]):
                best = row, met
        rows.append({k: v for k, v in best[0].items() if v is not None})
        todo -= best[1]
    return rows


# ---- hosts -----------------------------------------------------------------
def run(host, *cmd, **kw):
    return subprocess.run([EMU, "run", host, "--", *cmd],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=LIMIT * 3, check=False, **kw)


def emu(*cmd):
    r = subprocess.run([EMU, *cmd], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=LIMIT * 2,
                       check=False)
    return r.stdout if r.returncode == 0 else ""


def domains(host):
    """name -> domid, but dom0.  One that is going has "(no name)"."""
    rows = re.findall(r"^(\S.*?) +(\d+) ", emu("list", host), re.MULTILINE)
    return {name: int(domid) for name, domid in rows if int(domid)}


def eventually(fn, seconds=LIMIT):
    end = time.monotonic() + seconds
    while not (ret := fn()):
        if time.monotonic() > end:
            return ret
        time.sleep(0.02)
    return ret


def listening(port):
    want = ":%04X " % port
    return any(want in line.split(None, 2)[1] + " " and line.split()[3] == "0A"
               for line in open("/proc/net/tcp", encoding="ascii"))


class Receiver:
    def __init__(self, host):
        self.host = host
        self.out = tempfile.TemporaryFile("w+")
        self.pid = 0
        self.start()

    def start(self):
        for self.port in random.sample(range(20000, 32000), 50):
            if not listening(self.port):
                break
        self.proc = subprocess.Popen(
            [EMU, "run", self.host, "--", XMIG, "receive", "--listen",
             "127.0.0.1:%d" % self.port, "--recover-timeout", "20s"],
            stdout=self.out, stderr=self.out)
        if not eventually(lambda: listening(self.port)):
            print("Bail out! no receiver")
            sys.exit(99)
        self.pid = find_xmig(self.proc.pid)
        atexit.register(self.end)

    def end(self):
        """Whatever became of the test."""
        if self.proc.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.proc.wait()

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        return self.proc.wait(LIMIT)


def find_xmig(pid):
    """The launcher becomes the program, or has it as a child."""
    with open("/proc/%d/comm" % pid, encoding="ascii") as f:
        if f.read().strip() == "xmig":
            return pid
    r = subprocess.run(["pgrep", "-P", str(pid), "-x", "xmig"],
                       stdout=subprocess.PIPE, text=True, check=False)
    return int(r.stdout.split()[0]) if r.stdout else pid


def size_of(pid):
    """Descriptors, threads, private memory in KiB."""
    mem = 0
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        for line in f:
            if line.startswith(("RssAnon:", "Threads:")):
                key, value = line.split(":")
                if key == "RssAnon":
                    mem = int(value.split()[0])
                else:
                    threads = int(value)
    return len(os.listdir("/proc/%d/fd" % pid)), threads, mem


def ours(host):
    """Processes that are clients of the host, by their environment."""
    nr_found, mark = 0, ("XMIG_EMU=" + host).encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as f:
                nr_found += mark in f.read().split(b"\0")
        except OSError:
            pass
    return nr_found


def store_nodes(host):
    return len(run(host, "xenstore-ls", "-f").stdout.splitlines())


def journals(host):
    """Files of journals, and those that are not settled."""
    names = [n for n in os.listdir(host + "/xmig") if "." in n]
    still = []
    for n in names:
        try:
            with open(host + "/xmig/" + n, encoding="ascii",
                      errors="replace") as f:
                if not re.search(r"state=(DONE|RESUMED|ABANDONED) ", f.read()):
                    still.append(n)
        except OSError:
            pass
    return len(names), still


def leftovers(host):
    """Sockets, and nodes about a migration."""
    left = []
    for d in ("run", "attach"):
        path = host + "/xmig/" + d
        left += os.listdir(path) if os.path.isdir(path) else []
    left += [line for line in run(host, "xenstore-ls", "/tool/xmig").stdout
             .splitlines() if "cap-" in line]
    return left


# ---- one migration ---------------------------------------------------------
class World:
    def __init__(self):
        self.at = 0
        self.receivers = [Receiver(h) for h in HOSTS]
        self.domid = domains(HOSTS[0])["w"]
        self.moves = 0

    def source(self):
        return HOSTS[self.at]

    def dest(self):
        return HOSTS[not self.at]

    def command(self, row):
        args = [XMIG, "migrate"]
        transport = "tcp"
        for key, value in row.items():
            if key == "(transport)":
                transport = value
            else:
                args += ["--set", key + "=" + value]
        if transport == "tcp":
            return args + ["w", "127.0.0.1:%d" %
                           self.receivers[not self.at].port]
        return args + ["-s", "", "w", "exec '%s' run '%s' -- '%s' receive "
                       "--stdio" % (EMU, self.dest(), XMIG)]

    def migrate(self, row, trouble=None):
        """Exit status and output."""
        with tempfile.TemporaryFile("w+") as out:
            p = subprocess.Popen([EMU, "run", self.source(), "--",
                                  *self.command(row)], stdout=out, stderr=out)
            if trouble:
                trouble(self, p)
            try:
                status = p.wait(LIMIT * 2)
            except subprocess.TimeoutExpired:
                p.kill()
                status = "it hangs"
            out.seek(0)
            return status, out.read()

    def judge(self):
        """What is wrong, or an empty string; self.at is right then."""
        def settled():
            here = [domains(h) for h in HOSTS]
            return here[0] == {} and list(here[1]) == ["w"] or \
                here[1] == {} and list(here[0]) == ["w"]
        if not eventually(settled, 20):
            return "the hosts have %s and %s" % tuple(map(domains, HOSTS))
        at = 0 if "w" in domains(HOSTS[0]) else 1
        moved = at != self.at
        self.at, self.moves = at, self.moves + moved
        host, self.domid = HOSTS[at], domains(HOSTS[at])["w"]
        if self.moves and not emu(
                "wait", "--timeout", str(LIMIT), "--node", "data/verdict=ok*"
                "resumes=%d *" % self.moves, host, str(self.domid)):
            return "verdict: " + emu("console", host, str(self.domid))
        if not emu("wait", "--timeout", "30", "--change", "--node",
                   "data/writes", host, str(self.domid)):
            return "the guest does not go on"
        for h in HOSTS:
            if not eventually(lambda h=h: not journals(h)[1], 10):
                return "journals are open: %s" % journals(h)[1]
            if not eventually(lambda h=h: not leftovers(h), 10):
                return "left: %s" % leftovers(h)
        return ""


def text_of(row):
    return " ".join("%s=%s" % kv for kv in row.items()) or "no option"


# ---- pairs -----------------------------------------------------------------
def try_row(w, row, tally):
    """Empty, or what is wrong."""
    was = w.at
    status, out = w.migrate(row)
    wrong = w.judge()
    if wrong:
        return "%s\n%s" % (wrong, out)
    if status == 0 and w.at != was:
        tally["moved"] += 1
    elif status in (1, 2) and w.at == was and any(t in out for t in REFUSED):
        tally["refused"] += 1
    elif status == 2 and w.at == was and any(t in out for t in GIVES_UP):
        tally["gave up"] += 1
    else:
        return "status %s, %s\n%s" % (status, "moved" if w.at != was
                                      else "not moved", out)
    return ""


def pairs(w):
    table = options()
    diag("%d options, %d values" % (len(table), sum(map(len,
                                                        table.values()))))
    singles = [{k: v} for k in table for v in table[k]]
    rows = rows_of_pairs(table, random.Random(1))
    for what, some in (("alone", singles), ("in pairs", rows)):
        tally = {"moved": 0, "refused": 0, "gave up": 0}
        wrongs = []
        for row in some:
            wrong = try_row(w, row, tally)
            if wrong:
                wrongs.append(text_of(row) + ": " + wrong)
                if len(wrongs) > 3 or w.judge():
                    break
        point(not wrongs, "every value of every option %s: %d migrations, %s" %
              (what, len(some), tally), *wrongs)
        # One that refuses all would pass, too.
        point(tally["moved"] > len(some) * 2 // 3, "most of them move it")


# ---- soak ------------------------------------------------------------------
def cancel(w, p):
    """By a signal, or from another terminal."""
    if random_of.random() < 0.5:
        time.sleep(random_of.random() * 0.2)
        try:
            os.kill(find_xmig(p.pid), signal.SIGINT)
        except (ProcessLookupError, FileNotFoundError):
            pass
    else:
        run(w.source(), XMIG, "cancel", "--no-wait")


def kill_source(w, p):
    time.sleep(random_of.random() * 0.3)
    try:
        os.kill(find_xmig(p.pid), signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        pass


def kill_dest(w, p):
    time.sleep(random_of.random() * 0.3)
    r = w.receivers[not w.at]
    r.kill()
    r.start()


def change(w, p):
    run(w.source(), XMIG, "set", "bandwidth=%d" % random_of.choice((0, 20)))


TROUBLES = [None] * 14 + [cancel, cancel, kill_source, kill_dest, change,
                          change]


def one_of_soak(w, table, n):
    """Empty, or what is wrong."""
    row = {k: random_of.choice(table[k]) for k in
           random_of.sample(sorted(table), random_of.randrange(6))}
    trouble = random_of.choice(TROUBLES)
    if n < WARM_UP:
        row, trouble = {}, None
    was = w.at
    status, out = w.migrate(row, trouble)
    name = trouble.__name__ if trouble else "moved"
    if trouble in (kill_source, kill_dest):
        # As an operator would; the end that lives may be at it, too.
        def recovered():
            r = run(HOSTS[was], XMIG, "recover")
            return r.returncode == 0 or "no migration" in r.stdout.lower()
        eventually(recovered)
    wrong = w.judge()
    if not wrong and not trouble and status != 0 and not (
            w.at == was and any(t in out for t in GIVES_UP + REFUSED)):
        wrong = "status %s" % status
    counts[name] = counts.get(name, 0) + 1
    if not trouble and not wrong and w.at == was:
        counts["gave up or refused"] = counts.get("gave up or refused", 0) + 1
    return wrong and "%d, %s, %s: %s\n%s" % (n, name, text_of(row), wrong,
                                              out)


WARM_UP = 4
# From here on memory is judged.  (LeakSanitizer judges shorter runs.)
ENOUGH = 60
counts = {}


def measure(w):
    """name -> figure, at a moment when the guest is at HOSTS[0]."""
    m = {}
    for i, h in enumerate(HOSTS):
        r = w.receivers[i]
        eventually(lambda r=r: size_of(r.pid)[1] <= base_threads.setdefault(
            r.pid, size_of(r.pid)[1]), 5)
        fds, threads, mem = size_of(r.pid)
        m["descriptors of receiver %d" % i] = fds
        m["threads of receiver %d" % i] = threads
        m["memory of receiver %d, MiB" % i] = mem / 1024
        with open(h + "/host.pid", encoding="ascii") as f:
            fds, threads, mem = size_of(int(f.read().split()[0]))
        m["descriptors of host %d" % i] = fds
        m["threads of host %d" % i] = threads
        m["memory of host %d, MiB" % i] = mem / 1024
        m["xenstore nodes of host %d" % i] = store_nodes(h)
        m["processes of host %d" % i] = ours(h)
        m["open journals of host %d" % i] = len(journals(h)[1])
        m["domains of host %d" % i] = len(domains(h))
        free = dict(line.split()[:2] for line in emu("status", h).splitlines()
                    if len(line.split()) > 1)
        m["pages in use of host %d" % i] = (int(free["machine-pages"]) -
                                            int(free["free-pages"]))
    return m


base_threads = {}
# What may come and go.
SLACK = {"memory": 4, "xenstore nodes": 0, "descriptors of receiver": 0}


def soak(w, n_all, seed):
    table = options()
    diag("SEED=%d" % seed)
    wrongs, base, n = [], None, 0
    began = time.monotonic()
    while n < n_all and not wrongs:
        wrong = one_of_soak(w, table, n)
        if wrong:
            wrongs.append(wrong)
        n += 1
        if n == WARM_UP:
            base = measure(w)
        # Memory that threads, lanes and coders keep for the next ones is no
        # leak, and only many migrations have used them all.
        if n == max(WARM_UP, n_all // 3):
            base.update((k, v) for k, v in measure(w).items()
                        if k.startswith("memory"))
        if n % 25 == 0:
            diag("%d, %d s, %s" % (n, time.monotonic() - began, counts))
    if w.at and not wrongs:
        # To where it was when the figures were taken.
        wrong = try_row(w, {}, {"moved": 0})
        if wrong:
            wrongs.append("back: " + wrong)
    point(not wrongs, "%d migrations with random options, SEED=%d: %s" %
          (n, seed, counts), *wrongs)
    if wrongs:
        return
    end = measure(w)
    for what in sorted(base):
        if what.startswith("memory") and n < ENOUGH:
            diag("%s: %g, and %g at the end; too few migrations to judge" %
                 (what, base[what], end[what]))
            continue
        slack = next((v for k, v in SLACK.items() if what.startswith(k)), 0)
        # A receiver that was killed has begun anew.
        point(end[what] <= base[what] + slack, "%s: %g, and %g at the end" %
              (what, base[what], end[what]))


random_of = random.Random(0)
world = World()
if MODE == "pairs":
    pairs(world)
else:
    count = int(sys.argv[6]) if len(sys.argv) > 6 else 8
    start = int(sys.argv[7]) if len(sys.argv) > 7 and sys.argv[7] else \
        random.SystemRandom().randrange(1 << 30)
    random_of = random.Random(start)
    soak(world, count, start)
for receiver in world.receivers:
    point(receiver.stop() == 0, "the receiver ends when asked to")
print("1..%d" % nr)
sys.exit(failed != 0)
