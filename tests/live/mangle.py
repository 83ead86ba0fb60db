#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Make bad saved domains out of a good one.

usage: mangle.py GOOD OUT

For each case writes OUT, prints "NAME PATTERN": what xmig is expected to say
of it (an extended regular expression); and waits for a line before the next.
It has its own idea of the format, so that a mistake in xmig's is not made
twice.
"""
import struct
import sys

good = open(sys.argv[1], 'rb').read()
out = sys.argv[2]
NAMES = {0: 'END', 1: 'PAGE', 8: 'TSC', 9: 'CONTEXT', 10: 'PARAMS',
         0x10: 'STATIC', 0x11: 'CPUID', 0x12: 'MSR'}


def pad8(n):
    return (n + 7) & ~7


def parse(data):
    """Header, image header (24 + 16 bytes), list of records."""
    at = 0
    if data.startswith(b'xmig saved domain\n'):
        at = 40 + pad8(struct.unpack_from('<I', data, 36)[0])
    head, image = data[:at], data[at:at + 40]
    at += 40
    recs = []
    while True:
        rtype, length = struct.unpack_from('<II', data, at)
        end = at + 8 + pad8(length)
        recs.append((NAMES[rtype], data[at:end]))
        at = end
        if rtype == 0:
            break
    assert at == len(data), 'bytes behind END'
    return head, image, recs


head, image, recs = parse(good)
index = {}
for i, (n, _) in enumerate(recs):
    index.setdefault(n, i)


def case(name, pattern, data):
    with open(out, 'wb') as f:
        f.write(data)
    print(name, pattern, flush=True)
    if not sys.stdin.readline():
        sys.exit(1)


def build(h=head, im=image, rs=None):
    return h + im + b''.join(r for _, r in (recs if rs is None else rs))


def patched(data, at, fmt, value):
    b = bytearray(data)
    struct.pack_into(fmt, b, at, value)
    return bytes(b)


def with_record(name, fn):
    rs = list(recs)
    i = index[name]
    rs[i] = (name, fn(rs[i][1]))
    return build(rs=rs)


def moved(name, to):
    """The first record of that name, put in front of the first `to`."""
    rs = list(recs)
    r = rs.pop(index[name])
    names = [n for n, _ in rs]
    rs.insert(names.index(to), r)
    return build(rs=rs)


def without(name):
    return build(rs=[r for r in recs if r[0] != name])


def twice(name):
    rs = list(recs)
    rs.insert(index[name], rs[index[name]])
    return build(rs=rs)


# ---- cut: around every boundary, and here and there --------------------------
cuts = {0, 7, 8, 31, 39, 41, len(head) - 1, len(head), len(head) + 23,
        len(head) + 24, len(head) + 39, len(head) + 40, len(good) - 1,
        len(good) - 8, len(good) // 2, len(good) // 3}
at = len(head) + 40
for i, (n, r) in enumerate(recs):
    if i == index[n]:
        cuts |= {at + 4, at + 8, at + 9, at + len(r) - 1}
    at += len(r)
for cut in sorted(c for c in cuts if 0 <= c < len(good)):
    case('cut-%d' % cut, 'the stream ends in the middle of', good[:cut])

# ---- headers ------------------------------------------------------------------
case('version-4', 'version 4; versions 2 to 3', build(im=patched(
    image, 12, '>I', 4)))
case('version-1', 'version 1; versions 2 to 3', build(im=patched(
    image, 12, '>I', 1)))
case('other-arch', 'another architecture', build(im=patched(
    image, 24, '<I', 3)))
case('pv', 'PV domain', build(im=patched(image, 24, '<I', 1)))
case('page-shift', r'2\^16', build(im=patched(image, 28, '<H', 16)))
case('big-endian', 'big-endian', build(im=patched(image, 16, '>H', 1)))
case('marker', 'marker|no saved domain', build(im=patched(
    image, 0, '<Q', 0)))
case('other-id', '"XENF"', build(im=patched(image, 8, '>I', 0x4c494e55)))
case('front-version', 'version 9; version 1', build(h=patched(
    head, 32, '<I', 9)))
case('front-length', 'configuration of 4294967295 bytes', build(h=patched(
    head, 36, '<I', 0xffffffff)))
case('front-magic', 'magic', build(h=patched(head, 20, '<B', 1)))
case('front-name', 'configuration', build(h=patched(
    head, 40 + 80, '<Q', 0)))
case('front-vcpus', 'configuration', build(h=patched(
    head, 40, '<I', 100000)))
case('front-pages', 'its header announces', build(h=patched(
    head, 40 + 24, '<Q', struct.unpack_from('<Q', head, 40 + 24)[0] - 1)))

# ---- lengths ------------------------------------------------------------------
for n in sorted(index):
    case('long-' + n, 'bytes|unknown', with_record(n, lambda r: patched(
        r, 4, '<I', 0xfffffff8)))
    case('odd-' + n, 'bytes|padding|unknown|fit|ends', with_record(
        n, lambda r: patched(r, 4, '<I', struct.unpack_from(
            '<I', r, 4)[0] + 1)))

# ---- pages ----------------------------------------------------------------------
case('count-0', '0 pages', with_record('PAGE', lambda r: patched(
    r, 8, '<I', 0)))
case('count-huge', 'pages; it may', with_record('PAGE', lambda r: patched(
    r, 8, '<I', 0xffffffff)))
case('count-less', 'make|fit', with_record('PAGE', lambda r: patched(
    r, 8, '<I', struct.unpack_from('<I', r, 8)[0] - 1)))
case('pfn-high', 'the last one possible', with_record(
    'PAGE', lambda r: patched(r, 16, '<Q', (1 << 43))))
case('pfn-reserved', 'reserved bits', with_record(
    'PAGE', lambda r: patched(r, 16, '<Q', (1 << 55))))
case('pfn-type', 'of type 0x1', with_record(
    'PAGE', lambda r: patched(r, 16, '<Q', (1 << 60))))
case('pfn-hole', 'make', with_record(
    'PAGE', lambda r: patched(r, 16, '<Q', (0xf << 60))))

# ---- order and number ------------------------------------------------------------
case('moved-PAGE', 'before STATIC_DATA_END', moved('PAGE', 'STATIC'))
case('moved-CONTEXT', 'before any PAGE_DATA', moved('CONTEXT', 'PAGE'))
case('moved-END', 'END without|END record before', moved('END', 'CONTEXT'))
case('moved-CPUID', 'behind STATIC_DATA_END', moved('CPUID', 'PAGE'))
rs = list(recs)
rs.append(rs.pop(index['PAGE']))
rs.append(rs.pop([n for n, _ in rs].index('END')))
case('late-PAGE', 'behind the state', build(rs=rs))
for n in ('CPUID', 'MSR', 'STATIC', 'TSC', 'CONTEXT', 'PARAMS'):
    case('twice-' + n, 'a second', twice(n))
case('no-STATIC', 'before STATIC_DATA_END', without('STATIC'))
case('no-CONTEXT', 'END without an HVM_CONTEXT', without('CONTEXT'))
case('no-PARAMS', 'END without an HVM_PARAMS', without('PARAMS'))
rs = [r for i, r in enumerate(recs) if i != index['PAGE']]
case('fewer-PAGE', 'its header announces', build(rs=rs))
case('unknown', 'unknown type 0x77', build(rs=[
    ('', struct.pack('<II', 0x77, 0))] + recs))
case('remus', 'Remus', build(rs=recs[:-1] + [
    ('', struct.pack('<II', 0xe, 0))]))

# ---- contents ----------------------------------------------------------------------
case('context-magic', 'magic', with_record('CONTEXT', lambda r: patched(
    r, 16, '<I', 0)))
case('context-part', 'HVM context', with_record('CONTEXT', lambda r: patched(
    r, 12, '<I', 0x7fffffff)))
case('context-cut', 'has no end', with_record('CONTEXT', lambda r: patched(
    r[:-8], 4, '<I', len(r) - 16)))
case('param-index', 'HVM parameter', with_record(
    'PARAMS', lambda r: patched(r, 16, '<Q', 99)))
case('param-twice', 'twice', with_record('PARAMS', lambda r: patched(
    r, 32, '<Q', struct.unpack_from('<Q', r, 16)[0])))

# ---- one bit of each header -------------------------------------------------------
at = len(head)
for bit in range(0, 24 * 8, 7):
    # Version 2 exists, and has no static records.
    case('flip-image-%d' % bit, '.', patched(good, at + bit // 8, '<B',
         good[at + bit // 8] ^ (1 << bit % 8)))
at += 40
for i, (n, r) in enumerate(recs):
    if i == index[n]:
        for bit in range(0, 63, 9):
            case('flip-%s-%d' % (n, bit), '.', patched(
                good, at + bit // 8, '<B',
                good[at + bit // 8] ^ (1 << bit % 8)))
    at += len(r)
