#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Compare two traces of one program: on real Xen, and on an emulated host.

  compare.py EXPLAINED TRACE-OF-XEN TRACE-OF-EMU [...]

What is no matter of the hypervisor's (domids, counts, sizes, ports) is made
alike.  Of what the program's main handle asks for, in its order, each line
counts where it first appears, as rounds and batches are many; of other
handles (threads) it counts that it appears.  Each line that only one of the
two has is a difference.

EXPLAINED holds lines "PATTERN<tab>REASON".  A difference that no pattern
matches, and a pattern that matches no difference, fail the comparison.
"""
import difflib
import re
import sys

ALIKE = [
    (r"\bdom=[1-9]\d*", "dom=D"),
    (r"\b(n|bytes|port|tot|out|leaves)=\d+", r"\1=N"),
    (r"\bpages=[1-9]\d*", "pages=N"),
    (r"\bdirty=\d+", "dirty=N"),
    (r"\bkib=\d+", "kib=N"),
    (r"\b(type[0-9a-f]|bad)=\d+", r"\1"),
    (r"\b(khz|inc)=[1-9]\d*", r"\1=N"),
    (r"(populate_physmap .*) = [1-9]\d*", r"\1 = N"),
    (r"^(xen_version:0) = \d+", r"\1 = N"),
]


def read(path):
    """Lines of the main handle in order, and the set of all others."""
    main, others = [], set()
    with open(path, encoding="ascii") as lines:
        for line in lines:
            _, handle, what = line.rstrip("\n").split(" ", 2)
            for pattern, alike in ALIKE:
                what = re.sub(pattern, alike, what)
            if handle == "c1":
                if what not in main:
                    main.append(what)
            else:
                others.add(handle[0] + " " + what)
    return main, others


def differences(xen, emu):
    """Lines "xen: ..." or "emu: ..." of what only one of them has."""
    main_xen, others_xen = read(xen)
    main_emu, others_emu = read(emu)
    found = []
    matcher = difflib.SequenceMatcher(None, main_xen, main_emu, False)
    for op, a, b, c, d in matcher.get_opcodes():
        if op != "equal":
            found += ["xen: " + w for w in main_xen[a:b]]
            found += ["emu: " + w for w in main_emu[c:d]]
    found += ["xen: " + w for w in sorted(others_xen - others_emu)]
    found += ["emu: " + w for w in sorted(others_emu - others_xen)]
    return found


def main(argv):
    if len(argv) < 4 or len(argv) % 2:
        sys.exit(__doc__)
    explained = []
    with open(argv[1], encoding="ascii") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                pattern, reason = line.rstrip("\n").split("\t", 1)
                explained.append((re.compile(pattern), reason.strip()))
    used, bad = set(), 0
    for i in range(2, len(argv), 2):
        name = argv[i].rsplit("/", 1)[-1]
        for diff in differences(argv[i], argv[i + 1]):
            why = [e for e in explained if e[0].search(diff)]
            used.update(e[0].pattern for e in why)
            if why:
                print(f"{name}: {diff}\n    explained: {why[0][1]}")
            else:
                print(f"{name}: {diff}\n    NOT EXPLAINED")
                bad += 1
    for pattern, reason in explained:
        if pattern.pattern not in used:
            print(f"explains nothing any more: {pattern.pattern} ({reason})")
            bad += 1
    sys.exit(1 if bad else 0)


main(sys.argv)
