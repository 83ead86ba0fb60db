/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Post-copy from GO on: docs/postcopy.md "When things break" and
 * docs/stream.md 2.8 as a program for spin.
 *
 * What leads up to GO is commit.pml's; here the guest is suspended at S, D
 * is armed and ready, and lacks a page, or two.  Pages go over one connection,
 * any of them at any time and more than once, as pushed and demanded ones do.  Faults are those of commit.pml: either engine is killed,
 * either host crashes, the connections are cut.  An engine that was killed is
 * followed by another one (xmig recover), which goes on with what is left.
 * One fault is enough for seconds; -DFAULTS=2 is 21 million states, -DALL=3
 * has two pages.
 */
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef ALL
#define ALL 1                    /* a bit for each page that D lacks; or 3 */
#endif

mtype:msg = { GO, RUNNING, REFUSED, ERROR, PLACED, BYE };
mtype:journal = { NO_JOURNAL, SUSPENDING, IN_DOUBT, RESUMED, MAY_START,
                  SPLIT, STARTED, ABANDONED, LOST, DONE };
mtype:domain = { GONE, PAUSED, RUNS, SUSPENDED, HELD };
mtype:outcome = { NO_ANSWER, PENDING, IS_SPLIT, HAS_STARTED, HAS_ABANDONED,
                  IS_LOST };
mtype:owner = { NOBODY, AT_SOURCE, AT_DESTINATION, BOTH, DOUBT, NOWHERE };

/* ---- The hosts ---------------------------------------------------------- */

mtype:domain s_dom = SUSPENDED, d_dom = PAUSED;
mtype:journal s_j = SUSPENDING, s_disk = SUSPENDING;
mtype:journal d_j = MAY_START, d_disk = MAY_START;
bool s_reboot, d_reboot, s_busy, s_kill, d_busy, d_kill;
bool s_begins, s_again, d_begins, d_again;

byte absent = ALL;               /* at D, as its hypervisor knows */
byte written;                    /* by the guest, since it runs at D */
byte spilled;                    /* whole, on storage that D can read */
bool spills;                     /* --postcopy-spill */
bool gone;                       /* D was told that S has nothing left */

/* ---- The connections, control and pages as one -------------------------- */

chan to_d = [2] of { mtype:msg };
chan to_s = [2] of { mtype:msg };
chan pages = [2] of { byte };
bool cut, s_closed, d_closed;
bool waits;                      /* D takes a new connection */

/* ---- What really happened ----------------------------------------------- */

bool d_ran, started, s_resumed, s_crashed, d_crashed;
mtype:owner s_said, d_said;
byte faults = FAULTS;
bool calm, s_over, d_over;

/* ---- Acts --------------------------------------------------------------- */

inline s_runs()
{
    d_step {
        s_dom = RUNS;
        s_resumed = true;
        assert(d_dom != RUNS && d_dom != HELD);
        assert(!d_ran)
    }
}

inline d_runs()
{
    d_step {
        d_dom = RUNS;
        d_ran = true;
        assert(s_dom != RUNS);
        assert(!s_resumed)
    }
}

/* Only when D lacks nothing, or can never run again. */
inline s_destroys()
{
    d_step {
        assert(!absent || d_dom == GONE || d_j == LOST ||
               s_dom == GONE);
        s_dom = GONE
    }
}

inline s_sync() { s_disk = s_j }
inline d_sync() { d_disk = d_j }

/* What the guest has written is not to be overwritten by what S has. */
inline place(page)
{
#ifndef MUT_PLACED_TWICE
    if
    :: absent & page -> absent = absent & ~page
    :: else -> skip                  /* dropped */
    fi
#else
    assert(!(written & page));
    absent = absent & ~page
#endif
}

inline s_send(m)
{
    if
    :: !cut && !d_closed && nfull(to_d) -> to_d!m
    :: cut || d_closed -> skip
    fi
}

inline d_send(m)
{
    if
    :: !cut && !s_closed && nfull(to_s) -> to_s!m
    :: cut || s_closed -> skip
    fi
}

/* ---- A question to D ---------------------------------------------------- */

inline d_answer()
{
    atomic {
        !d_kill;
        if
        :: d_j == MAY_START && !d_reboot ->
            d_j = ABANDONED; d_sync();
            if
            :: !d_busy -> d_dom = GONE
            :: else -> skip
            fi
        :: d_j == SPLIT && d_reboot ->
            d_j = LOST; d_sync(); d_said = NOWHERE
        :: d_j == SPLIT && !d_reboot && s_dom == GONE && d_busy -> gone = true
        :: else -> skip
        fi;
        if
        :: d_j == STARTED || d_j == DONE || d_j == NO_JOURNAL ->
            answer = HAS_STARTED
        :: d_j == SPLIT ->
#ifdef MUT_SPLIT_IS_STARTED
            answer = HAS_STARTED
#else
            answer = IS_SPLIT
#endif
        :: d_j == ABANDONED -> answer = HAS_ABANDONED
        :: d_j == LOST -> answer = IS_LOST
        :: else -> answer = PENDING
        fi
    }
}

inline ask()
{
    answer = NO_ANSWER;
    if
    :: !calm -> skip
    :: true ->
        d_answer();
        if
        :: !calm -> answer = NO_ANSWER
        :: true -> skip
        fi
    fi
}

/* ---- The source --------------------------------------------------------- */

inline s_dies()
{
    atomic {
        answer = NO_ANSWER;
        m = GO;
        s_kill = false;
        s_busy = false;
        s_closed = true;
        s_over = true
    }
}

active proctype Source()
{
    mtype:outcome answer = NO_ANSWER;
    mtype:msg m;
    byte asks = 2;

end:
    do
    :: atomic { s_begins -> s_begins = false; asks = 2 };
    {
        if
        :: s_again ->
            if
            :: s_j == NO_JOURNAL -> goto over
            :: s_j == RESUMED -> goto forget
            :: s_j == DONE -> goto forget
            :: else -> goto settle
            fi
        :: else -> skip
        fi;
        s_send(GO);
        if
        :: to_s?m ->
            if
            :: m == RUNNING -> goto split
            :: m == REFUSED -> goto roll_back
            :: m == ERROR || m == PLACED -> skip
            fi
        :: cut || d_closed -> skip
        fi;

settle: ask();
#ifdef MUT_RESUMES_IN_SPLIT
        if
        :: s_j == SPLIT && answer != HAS_STARTED && s_dom == SUSPENDED ->
            goto roll_back
        :: else -> skip
        fi;
#endif
        if
        :: answer == HAS_STARTED -> goto finish
        :: answer == HAS_ABANDONED -> goto roll_back
        :: answer == IS_LOST -> goto lost
#ifndef MUT_PENDING_IS_PENDING
        /* It did run there: the record can only have gone with the host. */
        :: answer == PENDING && s_j == SPLIT -> goto lost
#endif
        :: answer == IS_SPLIT && s_dom == SUSPENDED -> goto split
        :: else ->
            if
            :: calm && answer == IS_SPLIT && s_dom == GONE -> goto settle
            :: !calm && asks -> asks--; goto settle
            :: !(calm && answer == IS_SPLIT && s_dom == GONE) ->
                skip                 /* its patience ends */
            fi
        fi;
        if
        :: s_j == SUSPENDING -> atomic { s_j = IN_DOUBT; s_sync() }
        :: else -> skip
        fi;
        s_said = (s_j == SPLIT -> BOTH : DOUBT);
        goto over;

split:  atomic { s_j = SPLIT; s_sync() };
        s_said = BOTH;
        if
        :: cut || d_closed || s_closed -> goto lost_link
        :: else -> skip
        fi;

serve:  do
        :: !cut && !d_closed && nfull(pages) -> pages!1
        :: ALL > 1 && !cut && !d_closed && nfull(pages) -> pages!2
        :: spills && !(spilled & 1) -> spilled = spilled | 1
        :: ALL > 1 && spills && !(spilled & 2) -> spilled = spilled | 2
        :: to_s?m ->
            if
            :: m == PLACED -> goto finish
            :: else -> skip
            fi
        :: cut || d_closed -> break
        od;

        /* Keep all, connect anew: D says what it lacks. */
lost_link:
        if
        :: atomic { waits && cut && !d_kill && !s_kill ->
                    waits = false; cut = false; s_closed = false;
                    d_closed = false };
           goto serve
        :: !waits || !cut -> goto settle
        :: !calm -> goto settle
        fi;

finish:
        s_destroys();
        atomic { s_j = DONE; s_sync() };
        s_said = AT_DESTINATION;
        s_send(BYE);
        goto forget;

lost:   s_destroys();
        s_said = NOWHERE;
        atomic { s_j = DONE; s_sync() };
        goto forget;

roll_back:
        if
        :: s_dom == SUSPENDED -> s_runs()
        :: else -> skip
        fi;
        s_said = AT_SOURCE;
        atomic { s_j = RESUMED; s_sync() };

forget: atomic { s_j = NO_JOURNAL; s_sync() };
over:   s_dies()
    } unless { s_kill -> s_dies() }
    od
}

/* ---- The destination ---------------------------------------------------- */

inline d_dies()
{
    atomic {
        m = GO;
        page = 0;
        d_kill = false;
        d_busy = false;
        d_closed = true;
        waits = false;
        d_over = true
    }
}

active proctype Destination()
{
    mtype:msg m;
    byte page;

end:
    do
    :: atomic { d_begins -> d_begins = false };
    {
        if
        :: d_again ->
            atomic {
                if
                :: d_j == SPLIT && d_reboot -> d_j = LOST; d_sync(); goto lost
                :: d_j == LOST -> goto lost
                :: d_j == SPLIT && !d_reboot -> goto lost_link
                :: d_j == STARTED && d_dom == PAUSED -> d_runs(); goto over
                :: d_j == STARTED && d_dom == HELD -> d_dom = RUNS; goto over
                :: d_j == MAY_START && !d_reboot -> goto abandon
                :: d_j == ABANDONED -> goto undo
                :: d_j == DONE -> d_j = NO_JOURNAL; d_sync(); goto over
                :: else -> goto over
                fi
            }
        :: else -> skip
        fi;
        if
        :: to_d?m ->
            if
            :: m == GO -> skip
            :: else -> goto abandon
            fi
        :: cut || s_closed -> goto abandon
        :: d_j == ABANDONED -> goto undo
        fi;
#ifdef MUT_RUNS_BEFORE_SPLIT
        d_runs();
#endif
        atomic {
            if
            :: d_j == ABANDONED -> goto refuse
            :: else -> d_j = SPLIT
            fi
        };
        d_runs();
        d_send(RUNNING);
        d_sync();

work:   do
        :: atomic { pages?page -> place(page); page = 0 }
        :: d_dom == RUNS && (ALL & ~absent & ~written) ->
            written = ALL & ~absent
        :: !absent -> break
        :: cut || s_closed -> goto lost_link
        od;
        atomic {
            started = true;
            d_j = STARTED;
            d_sync()
        };
        if
        :: d_dom == HELD || d_dom == PAUSED -> d_runs()
        :: else -> skip
        fi;
        d_said = AT_DESTINATION;
        d_send(PLACED);
        if
        :: to_d?m ->
            if
            :: m == BYE ->
                atomic { d_j = DONE; d_sync() };
                atomic { d_j = NO_JOURNAL; d_sync() }
            :: else -> skip
            fi
        :: cut || s_closed -> skip
        fi;
        goto over;

        /* Stop at once, keep all, wait for S, or take what was spilled. */
lost_link:
        atomic { d_said = BOTH;
                 if
                 :: d_dom == RUNS || d_dom == PAUSED -> d_dom = HELD
                 :: else -> skip
                 fi };
        do
        :: atomic { pages?page -> place(page); page = 0 }
        :: empty(pages) -> break
        od;
        absent = absent & ~spilled;
        if
        :: !absent -> goto work
        :: else -> skip
        fi;
        atomic { cut = true; d_closed = false; waits = true };
        if
        :: !cut && !waits ->         /* S has connected: REMAINING */
            d_runs();
            goto work
        :: gone ->
            atomic { waits = false;
                     absent = absent & ~spilled;
                     if
                     :: !absent -> goto work
                     :: else -> d_j = LOST; d_sync()
                     fi }
        :: atomic { !calm && cut && waits && spills -> waits = false };
           goto lost_link            /* the spill may have grown */
        fi;

lost:   d_said = NOWHERE;
        d_dom = GONE;
        goto over;

refuse: d_send(REFUSED);
        goto undo;
abandon:
        atomic { if
                 :: d_j == MAY_START -> d_j = ABANDONED; d_sync()
                 :: else -> skip
                 fi };
undo:   d_send(ERROR);
        d_dom = GONE;
over:   d_dies()
    } unless { d_kill -> d_dies() }
    od
}

/* ---- The world ---------------------------------------------------------- */

inline crash_s()
{
    if
    :: s_j = s_disk
    :: s_disk = s_j
    fi;
    s_dom = GONE; s_reboot = true; s_crashed = true; cut = true;
    s_kill = s_busy
}

inline crash_d()
{
    if
    :: d_j = d_disk
    :: d_disk = d_j
    fi;
    d_dom = GONE; d_reboot = true; d_crashed = true; cut = true;
    waits = false;
    d_kill = d_busy
}

inline again_s()
{
    s_busy = true; s_over = false; s_again = true; s_begins = true
}

inline again_d()
{
    d_busy = true; d_over = false; d_again = true; d_begins = true
}

inline finish_all()
{
    atomic {
        assert(!(s_dom == RUNS && d_dom == RUNS));
        if
        :: s_resumed ->
            assert(s_dom == RUNS || s_crashed);
            assert(d_dom == GONE)
        :: !s_resumed && d_ran && !d_crashed && !(absent & ~spilled) ->
            /* All of it is there: it runs there, and is settled. */
            assert(d_dom == RUNS && !absent);
            assert(s_dom == GONE && s_j == NO_JOURNAL)
        :: !s_resumed && d_ran && !d_crashed && (absent & ~spilled) ->
            /* Not without a host's death, and then it is said. */
            assert(s_crashed);
            assert(d_j == LOST && d_dom == GONE && d_said == NOWHERE);
            assert(s_said == NOWHERE && s_j == NO_JOURNAL)
        :: !s_resumed && d_ran && d_crashed ->
            /* Its host took it along; S has not dared to guess. */
            assert(s_dom != RUNS);
            assert(s_said == NOWHERE || s_said == DOUBT || started)
        :: !s_resumed && !d_ran ->
            assert(s_crashed || d_crashed)
        fi
    }
}

active proctype World()
{
    byte agains = 1;

    if
    :: spills = true
    :: skip
    fi;
    atomic {
        s_busy = true; d_busy = true; s_begins = true; d_begins = true
    };
    do
    :: atomic { faults && s_busy && !s_kill -> faults--; s_kill = true }
    :: atomic { faults && d_busy && !d_kill -> faults--; d_kill = true }
    :: atomic { faults && !cut -> faults--; cut = true }
    :: atomic { faults && !s_crashed && !s_kill -> faults--; crash_s() }
    :: atomic { faults && !d_crashed && !d_kill -> faults--; crash_d() }
    :: atomic { agains && s_over -> agains--; again_s() }
    :: atomic { agains && d_over -> agains--; again_d() }
    :: break
    od;

    /* No more faults: who is left ends, or is followed by one who does. */
    calm = true;
    !s_kill && !d_kill;
    if
    :: atomic { d_over -> again_d() }
    :: !d_over -> skip
    fi;
    s_over;
    atomic { again_s() };
    s_over;
    d_over;
    finish_all()
}
