/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The checker of the image stream: each rule of docs/stream.md section 1 is
 * broken once, alone, and must be named in the refusal.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image_rec.h"

static struct image_why why;

#define assert_refused(call, rc, words)                                 \
    do {                                                                \
        why.text[0] = '\0';                                             \
        assert_int_equal((call), (rc));                                 \
        if ( !strstr(why.text, (words)) )                               \
            fail_msg("\"%s\" does not say \"%s\"", why.text, (words));  \
    } while ( 0 )

static struct image_ihdr good_ihdr(void)
{
    return (struct image_ihdr){
        .marker = UINT64_MAX,
        .id = htobe32(0x58454e46),
        .version = htobe32(3),
    };
}

static struct image_dhdr good_dhdr(void)
{
    return (struct image_dhdr){
        .type = 2, .page_shift = 12, .xen_major = 4, .xen_minor = 17,
    };
}

/* A state in which the records of a version 3 image up to and with the given
 * ones have been read. */
static struct image_state after(unsigned int nr, const uint32_t *types)
{
    struct image_state st;
    unsigned int i;

    image_state_init(&st, 0x1000);
    st.version = 3;
    for ( i = 0; i < nr; i++ )
    {
        struct image_rhdr rec = { .type = types[i] };

        if ( rec.type == IMAGE_PAGE_DATA )
            rec.length = 16;
        else if ( rec.type == IMAGE_TSC_INFO )
            rec.length = 24;
        else if ( rec.type == IMAGE_HVM_CONTEXT ||
                  rec.type == IMAGE_HVM_PARAMS )
            rec.length = 8;
        assert_int_equal(image_check_record(&st, &rec, &why), 0);
    }
    return st;
}
#define AFTER(...)                                                      \
    after(sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t),       \
          (uint32_t[]){ __VA_ARGS__ })

static int record(struct image_state st, uint32_t type, uint32_t length)
{
    return image_check_record(&st, &(struct image_rhdr){ type, length },
                              &why);
}

static void good_headers_are_taken(void **s)
{
    struct image_ihdr ihdr = good_ihdr();
    struct image_dhdr dhdr = good_dhdr();
    struct image_state st;

    (void)s;
    image_state_init(&st, 0);
    assert_int_equal(image_check_ihdr(&st, &ihdr, &why), 0);
    assert_int_equal(image_check_dhdr(&st, &dhdr, &why), 0);
    assert_int_equal(st.version, 3);
    assert_int_equal(st.xen_major, 4);
    assert_int_equal(st.xen_minor, 17);
}

static void the_previous_version_is_taken(void **s)
{
    struct image_ihdr ihdr = good_ihdr();
    struct image_state st;

    (void)s;
    image_state_init(&st, 0);
    ihdr.version = htobe32(2);
    assert_int_equal(image_check_ihdr(&st, &ihdr, &why), 0);
    assert_int_equal(record(st, IMAGE_PAGE_DATA, 16), 0);
    assert_refused(record(st, IMAGE_STATIC_DATA_END, 0), -EPROTO,
                   "version 2");
}

static void bad_image_headers_are_refused(void **s)
{
    struct image_ihdr hdr;
    struct image_state st;

    (void)s;
    image_state_init(&st, 0);
    hdr = good_ihdr();
    hdr.marker = 0;
    assert_refused(image_check_ihdr(&st, &hdr, &why), -EPROTO, "marker");
    hdr = good_ihdr();
    hdr.id = htobe32(0x58454e47);
    assert_refused(image_check_ihdr(&st, &hdr, &why), -EPROTO, "0x58454e47");
    hdr = good_ihdr();
    hdr.version = htobe32(4);
    assert_refused(image_check_ihdr(&st, &hdr, &why), -EPROTONOSUPPORT,
                   "version 4; versions 2 to 3");
    hdr = good_ihdr();
    hdr.options = htobe16(1);
    assert_refused(image_check_ihdr(&st, &hdr, &why), -EPROTONOSUPPORT,
                   "big-endian");
    hdr = good_ihdr();
    hdr.options = htobe16(2);
    assert_refused(image_check_ihdr(&st, &hdr, &why), -EPROTO, "reserved");
    hdr = good_ihdr();
    hdr.reserved2 = 1;
    assert_refused(image_check_ihdr(&st, &hdr, &why), -EPROTO, "reserved");
}

static void other_architectures_are_refused(void **s)
{
    struct image_dhdr hdr;
    struct image_state st;

    (void)s;
    image_state_init(&st, 0);
    hdr = good_dhdr();
    hdr.type = 1;
    assert_refused(image_check_dhdr(&st, &hdr, &why), -EPROTONOSUPPORT,
                   "PV domain");
    hdr = good_dhdr();
    hdr.type = 3;
    assert_refused(image_check_dhdr(&st, &hdr, &why), -EPROTONOSUPPORT,
                   "another architecture");
    hdr = good_dhdr();
    hdr.page_shift = 16;
    assert_refused(image_check_dhdr(&st, &hdr, &why), -EPROTONOSUPPORT,
                   "2^16");
    hdr = good_dhdr();
    hdr.reserved = 1;
    assert_refused(image_check_dhdr(&st, &hdr, &why), -EPROTO, "reserved");
}

static void records_out_of_order_are_refused(void **s)
{
    struct image_state st;

    (void)s;
    image_state_init(&st, 0);
    st.version = 3;
    assert_refused(record(st, IMAGE_PAGE_DATA, 16), -EPROTO,
                   "PAGE_DATA record before STATIC_DATA_END");
    assert_refused(record(st, IMAGE_END, 0), -EPROTO,
                   "before STATIC_DATA_END");
    st = AFTER(IMAGE_STATIC_DATA_END);
    assert_refused(record(st, IMAGE_CPUID_POLICY, 24), -EPROTO,
                   "behind STATIC_DATA_END");
    assert_refused(record(st, IMAGE_TSC_INFO, 24), -EPROTO,
                   "before any PAGE_DATA");
    st = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA, IMAGE_TSC_INFO);
    assert_refused(record(st, IMAGE_PAGE_DATA, 16), -EPROTO,
                   "behind the state");
    assert_refused(record(st, IMAGE_END, 0), -EPROTO, "HVM_CONTEXT");
    st = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA, IMAGE_HVM_CONTEXT);
    assert_refused(record(st, IMAGE_END, 0), -EPROTO, "HVM_PARAMS");
}

static void second_copies_are_refused(void **s)
{
    struct image_state st;

    (void)s;
    st = AFTER(IMAGE_CPUID_POLICY, IMAGE_MSR_POLICY);
    assert_refused(record(st, IMAGE_CPUID_POLICY, 24), -EPROTO,
                   "a second X86_CPUID_POLICY");
    assert_refused(record(st, IMAGE_MSR_POLICY, 16), -EPROTO,
                   "a second X86_MSR_POLICY");
    st = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA, IMAGE_TSC_INFO,
               IMAGE_HVM_CONTEXT, IMAGE_HVM_PARAMS);
    assert_refused(record(st, IMAGE_STATIC_DATA_END, 0), -EPROTO,
                   "a second STATIC_DATA_END");
    assert_refused(record(st, IMAGE_TSC_INFO, 24), -EPROTO,
                   "a second X86_TSC_INFO");
    assert_refused(record(st, IMAGE_HVM_CONTEXT, 8), -EPROTO,
                   "a second HVM_CONTEXT");
    assert_refused(record(st, IMAGE_HVM_PARAMS, 8), -EPROTO,
                   "a second HVM_PARAMS");
}

static void pages_may_come_again(void **s)
{
    struct image_state st = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA,
                                  IMAGE_PAGE_DATA);

    (void)s;
    assert_int_equal(record(st, IMAGE_PAGE_DATA, 16), 0);
}

static void nothing_follows_end(void **s)
{
    struct image_state st = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA,
                                  IMAGE_HVM_CONTEXT, IMAGE_HVM_PARAMS,
                                  IMAGE_END);

    (void)s;
    assert_true(st.ended);
    assert_refused(record(st, IMAGE_OPTIONAL | 5, 0), -EPROTO, "behind END");
}

static void unknown_records_are_refused_unless_optional(void **s)
{
    struct image_state st = AFTER(IMAGE_STATIC_DATA_END);

    (void)s;
    assert_refused(record(st, 0x13, 0), -EPROTO, "unknown type 0x13");
    assert_refused(record(st, 0x7fffffff, 0), -EPROTO, "0x7fffffff");
    assert_int_equal(record(st, 0x80000001, 64), 0);
    assert_refused(record(st, 0x80000001, IMAGE_RECORD_MAX + 1), -EPROTO,
                   "134217729 bytes");
}

static void records_of_others_are_refused_by_name(void **s)
{
    struct image_state st = AFTER(IMAGE_STATIC_DATA_END);

    (void)s;
    assert_refused(record(st, IMAGE_PV_INFO, 8), -EPROTO, "X86_PV_INFO");
    assert_refused(record(st, IMAGE_SHARED_INFO, 4096), -EPROTO,
                   "SHARED_INFO");
    assert_refused(record(st, IMAGE_TOOLSTACK, 8), -EPROTO, "TOOLSTACK");
    assert_refused(record(st, IMAGE_CHECKPOINT, 0), -EPROTONOSUPPORT,
                   "Remus");
}

static void verify_stands_once_between_pages_and_state(void **s)
{
    struct image_state none = AFTER(IMAGE_STATIC_DATA_END);
    struct image_state st = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA);
    struct image_state end = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA,
                                   IMAGE_TSC_INFO);
    struct image_state twice = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA,
                                     IMAGE_VERIFY);

    (void)s;
    assert_int_equal(record(st, IMAGE_VERIFY, 0), 0);
    assert_int_equal(record(twice, IMAGE_PAGE_DATA, 4112), 0);
    assert_refused(record(st, IMAGE_VERIFY, 8), -EPROTO, "8 bytes");
    assert_refused(record(none, IMAGE_VERIFY, 0), -EPROTO, "before any");
    assert_refused(record(end, IMAGE_VERIFY, 0), -EPROTO, "behind the state");
    assert_refused(record(twice, IMAGE_VERIFY, 0), -EPROTO, "second");
}

static void wrong_lengths_are_refused(void **s)
{
    struct image_state none, st = AFTER(IMAGE_STATIC_DATA_END,
                                        IMAGE_PAGE_DATA, IMAGE_HVM_CONTEXT);

    (void)s;
    image_state_init(&none, 0);
    none.version = 3;
    assert_refused(record(none, IMAGE_STATIC_DATA_END, 8), -EPROTO,
                   "8 bytes");
    assert_refused(record(none, IMAGE_CPUID_POLICY, 25), -EPROTO, "24-byte");
    assert_refused(record(none, IMAGE_CPUID_POLICY, 24 * 4097), -EPROTO,
                   "98328 bytes");
    assert_refused(record(none, IMAGE_MSR_POLICY, 8), -EPROTO, "16-byte");
    assert_refused(record(AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA,
                                IMAGE_HVM_CONTEXT, IMAGE_HVM_PARAMS),
                          IMAGE_END, 8), -EPROTO, "8 bytes");
    assert_refused(record(st, IMAGE_TSC_INFO, 16), -EPROTO, "16 bytes");
    assert_refused(record(st, IMAGE_HVM_PARAMS, 0), -EPROTO, "0 bytes");
    assert_refused(record(st, IMAGE_HVM_PARAMS, 16), -EPROTO, "16-byte");
    st = AFTER(IMAGE_STATIC_DATA_END, IMAGE_PAGE_DATA);
    assert_refused(record(st, IMAGE_PAGE_DATA, 8), -EPROTO, "8 bytes");
    assert_refused(record(st, IMAGE_PAGE_DATA, 17), -EPROTO, "8-byte");
    assert_refused(record(st, IMAGE_PAGE_DATA, 8 + 1025 * 4104), -EPROTO,
                   "4206608 bytes");
    assert_int_equal(record(st, IMAGE_PAGE_DATA, 8 + 1024 * 4104), 0);
    assert_refused(record(st, IMAGE_HVM_CONTEXT, 0), -EPROTO, "0 bytes");
    assert_refused(record(st, IMAGE_HVM_CONTEXT, UINT32_MAX), -EPROTO,
                   "4294967295 bytes");
}

static int pages(uint32_t length, uint32_t count, uint32_t reserved)
{
    return image_check_pages(&(struct image_rhdr){ IMAGE_PAGE_DATA, length },
                             &(struct image_pages){ count, reserved }, &why);
}

static void page_counts_must_fit(void **s)
{
    (void)s;
    assert_int_equal(pages(8 + 2 * 8 + 4096, 2, 0), 0);
    assert_refused(pages(16, 0, 0), -EPROTO, "0 pages");
    assert_refused(pages(8 + 1025 * 8, 1025, 0), -EPROTO, "1025 pages");
    assert_refused(pages(8 + 8, 2, 0), -EPROTO, "too short");
    assert_refused(pages(8 + 8 + 4095, 1, 0), -EPROTO, "does not fit");
    assert_refused(pages(8 + 8 + 2 * 4096, 1, 0), -EPROTO, "does not fit");
    assert_refused(pages(8 + 8, 1, 1), -EPROTO, "reserved");
    assert_refused(pages(16, UINT32_MAX, 0), -EPROTO, "4294967295 pages");
}

static int pfns(uint32_t length, uint64_t a, uint64_t b)
{
    uint64_t entries[] = { a, b };
    struct image_state st;
    unsigned int nr;

    image_state_init(&st, 0x1000);
    return image_check_pfns(&st, &(struct image_rhdr){ IMAGE_PAGE_DATA,
                            length }, entries, 2, &nr, &why);
}

static void page_entries_are_judged(void **s)
{
    uint64_t hole = image_entry(1, IMAGE_PAGE_HOLE);

    (void)s;
    assert_int_equal(pfns(24 + 4096, 0xfff, hole), 0);
    assert_int_equal(pfns(24, image_entry(1, IMAGE_PAGE_ALLOC),
                          image_entry(2, IMAGE_PAGE_BROKEN)), 0);
    assert_refused(pfns(24 + 4096, 0x1000, hole), -EPROTO, "frame 0x1000");
    assert_refused(pfns(24 + 4096, 1ull << 52, hole), -EPROTO, "reserved");
    assert_refused(pfns(24 + 4096, 1ull << 60, hole), -EPROTO, "type 0x1");
    assert_refused(pfns(24 + 4096, 9ull << 60, hole), -EPROTO, "type 0x9");
    assert_refused(pfns(24 + 4096, 1, 2), -EPROTO, "make 8216");
    assert_refused(pfns(24 + 4096, hole, hole), -EPROTO, "make 24");
}

static void frames_are_limited_by_the_format(void **s)
{
    uint64_t entry = 1ull << 44;
    struct image_state st;
    unsigned int nr;

    (void)s;
    image_state_init(&st, 0);
    assert_refused(image_check_pfns(&st, &(struct image_rhdr){
                   IMAGE_PAGE_DATA, 16 + 4096 }, &entry, 1, &nr, &why),
                   -EPROTO, "frame 0x100000000000");
    entry--;
    assert_int_equal(image_check_pfns(&st, &(struct image_rhdr){
                     IMAGE_PAGE_DATA, 16 + 4096 }, &entry, 1, &nr, &why), 0);
    assert_int_equal(nr, 1);
}

static int body(uint32_t type, const void *data, uint32_t bytes)
{
    struct image_state st;

    image_state_init(&st, 0);
    st.version = 3;
    return image_check_body(&st, &(struct image_rhdr){ type, bytes }, data,
                            &why);
}

static void params_are_judged(void **s)
{
    struct
    {
        struct image_params hdr;
        struct image_param param[2];
    } p = { { 2, 0 }, { { 1, 0xfeffe }, { 17, 0xfefff } } };

    (void)s;
    assert_int_equal(body(IMAGE_HVM_PARAMS, &p, sizeof(p)), 0);
    p.param[1].index = 1;
    assert_refused(body(IMAGE_HVM_PARAMS, &p, sizeof(p)), -EPROTO, "twice");
    p.param[1].index = 64;
    assert_refused(body(IMAGE_HVM_PARAMS, &p, sizeof(p)), -EPROTO,
                   "parameter 64");
    p.param[1].index = 17;
    p.hdr.count = 3;
    assert_refused(body(IMAGE_HVM_PARAMS, &p, sizeof(p)), -EPROTO, "fit");
    p.hdr.count = 0x10000002;              /* 16 times it wraps 32 bits */
    assert_refused(body(IMAGE_HVM_PARAMS, &p, sizeof(p)), -EPROTO, "fit");
    p.hdr.count = 2;
    p.hdr.reserved = 1;
    assert_refused(body(IMAGE_HVM_PARAMS, &p, sizeof(p)), -EPROTO,
                   "reserved");
}

static void contexts_are_judged(void **s)
{
    uint32_t c[] = {
        1, 8, 0x54381286, 4,             /* header */
        2, 4, 0xdeadbeef,                /* a processor */
        0, 0,                            /* end */
    };

    (void)s;
    assert_int_equal(body(IMAGE_HVM_CONTEXT, c, sizeof(c)), 0);
    assert_refused(body(IMAGE_HVM_CONTEXT, c, sizeof(c) - 8), -EPROTO,
                   "has no end");
    c[5] = 0xfffffff0;
    assert_refused(body(IMAGE_HVM_CONTEXT, c, sizeof(c)), -EPROTO,
                   "type 2 with 4294967280 bytes");
    c[5] = 4;
    c[2]++;
    assert_refused(body(IMAGE_HVM_CONTEXT, c, sizeof(c)), -EPROTO, "magic");
    c[2]--;
    c[0] = 2;
    assert_refused(body(IMAGE_HVM_CONTEXT, c, sizeof(c)), -EPROTO,
                   "begin with its header");
    c[0] = 1;
    c[4] = 0;                            /* an end in the middle */
    assert_refused(body(IMAGE_HVM_CONTEXT, c, sizeof(c)), -EPROTO,
                   "ends at byte 28 of 36");
}

static void tsc_reserved_must_be_zero(void **s)
{
    struct image_tsc tsc = { .khz = 1 };

    (void)s;
    assert_int_equal(body(IMAGE_TSC_INFO, &tsc, sizeof(tsc)), 0);
    tsc.reserved = 1;
    assert_refused(body(IMAGE_TSC_INFO, &tsc, sizeof(tsc)), -EPROTO,
                   "reserved");
}

static void padding_must_be_zero(void **s)
{
    (void)s;
    assert_int_equal(image_check_padding("\0\0\0", 3, &why), 0);
    assert_refused(image_check_padding("\0\0\1", 3, &why), -EPROTO,
                   "padding");
    assert_int_equal(image_padding(0), 0);
    assert_int_equal(image_padding(1), 7);
    assert_int_equal(image_padding(8), 0);
    assert_int_equal(image_padding(UINT32_MAX), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_are_taken),
        cmocka_unit_test(the_previous_version_is_taken),
        cmocka_unit_test(bad_image_headers_are_refused),
        cmocka_unit_test(other_architectures_are_refused),
        cmocka_unit_test(records_out_of_order_are_refused),
        cmocka_unit_test(second_copies_are_refused),
        cmocka_unit_test(pages_may_come_again),
        cmocka_unit_test(nothing_follows_end),
        cmocka_unit_test(unknown_records_are_refused_unless_optional),
        cmocka_unit_test(records_of_others_are_refused_by_name),
        cmocka_unit_test(verify_stands_once_between_pages_and_state),
        cmocka_unit_test(wrong_lengths_are_refused),
        cmocka_unit_test(page_counts_must_fit),
        cmocka_unit_test(page_entries_are_judged),
        cmocka_unit_test(frames_are_limited_by_the_format),
        cmocka_unit_test(params_are_judged),
        cmocka_unit_test(contexts_are_judged),
        cmocka_unit_test(tsc_reserved_must_be_zero),
        cmocka_unit_test(padding_must_be_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
