/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Who owns the guest: commit, rollback, questions, recovery.  docs/design.md
 * "Who owns the guest" and docs/stream.md 2.7 as a program for spin.
 *
 * What is one step here is one act on something that survives its process:
 * a line of a journal, a hypercall on the domain, a record on a connection.
 * Between any two of them a process may be killed, a host may crash (its
 * domains are gone, lines that were not synced may be), and the connection
 * may be cut: then either end learns of it when it likes, and what is on its
 * way arrives or does not.  FAULTS of them happen in all.
 *
 * Then the faults end, and what is left has to settle: see finish().
 *
 * A mutation (-DMUT_...) breaks one rule of the protocol; model.sh wants
 * each to be found.
 */
#ifndef FAULTS
#define FAULTS 2
#endif

mtype:msg = { ARM, ARMED, READY, GO, RUNNING, REFUSED, ERROR, BYE };
mtype:journal = { NO_JOURNAL, PREPARING, PERMIT, SUSPENDING, WITHDRAWN,
                  IN_DOUBT, RESUMED, MAY_START, STARTED, ABANDONED, DONE };
mtype:domain = { GONE, PAUSED, RUNS, SUSPENDED };
mtype:outcome = { NO_ANSWER, UNKNOWN, PENDING, HAS_STARTED, HAS_ABANDONED };
mtype:owner = { NOBODY, AT_SOURCE, AT_DESTINATION, DOUBT };

/* ---- The hosts ---------------------------------------------------------- */

mtype:domain s_dom = RUNS, d_dom = GONE;

/* Journals as read now, and as they may be after a crash of the host. */
mtype:journal s_j = NO_JOURNAL, s_disk = NO_JOURNAL;
mtype:journal d_j = NO_JOURNAL, d_disk = NO_JOURNAL;

/* Another boot than the journal's. */
bool s_reboot, d_reboot;

/* Somebody lives who has claimed the journal; he is to be killed. */
bool s_busy, s_kill, d_busy, d_kill;

/* A request to suspend is out, and the guest may obey it. */
bool asked;

/* ---- The control connection --------------------------------------------- */

chan to_d = [3] of { mtype:msg };
chan to_s = [3] of { mtype:msg };
bool cut, s_closed, d_closed;
bool s_lost, d_lost;             /* what S, D sent was lost: so is the rest */

/* S sends GO with the state, and D takes it when it has all. */
bool early;

/* Where it goes is not in order with control. */
bool state_left;
bool complete;                   /* D has it, and the pages */

/* ---- What really happened, which nobody can ask ------------------------- */

bool d_ran;                      /* the guest ran an instruction at D */
bool started;                    /* STARTED was written */
bool s_resumed;                  /* S's copy went on: D's is old */
bool fenced;                     /* the operator has given his word */
bool s_crashed, d_crashed, d_forgot;
mtype:owner says;                /* what S told its user last */

byte faults = FAULTS;
bool calm;                       /* no more faults */
bool s_over, d_over;             /* the engines have come to an end */

/* ---- Acts --------------------------------------------------------------- */

/* Never two running; never one that the other's acts have made old. */
inline s_runs()
{
    d_step {
        s_dom = RUNS;
        s_resumed = true;
        assert(d_dom != RUNS);
        assert(!d_ran || fenced)
    }
}

inline d_runs()
{
    d_step {
        d_dom = RUNS;
        d_ran = true;
        assert(s_dom != RUNS);
        assert(complete);
        assert(!s_resumed)
    }
}

/* On knowledge only. */
inline s_destroys()
{
    d_step {
        assert(started);
        s_dom = GONE
    }
}

inline s_says(who)
{
    d_step {
        says = who;
        assert(who != AT_SOURCE || s_dom == RUNS || s_crashed);
        assert(who != AT_DESTINATION || started)
    }
}

inline s_sync() { s_disk = s_j }
inline d_sync() { d_disk = d_j }

/* ---- Records ------------------------------------------------------------ */

inline s_send(m)
{
    if
    :: !s_lost && !d_closed && nfull(to_d) -> to_d!m
    :: cut || s_lost || d_closed -> s_lost = true
    fi
}

inline d_send(m)
{
    if
    :: !d_lost && !s_closed && nfull(to_s) -> to_s!m
    :: cut || d_lost || s_closed -> d_lost = true
    fi
}

/* ---- A question to D, by whoever settles at S --------------------------- */

/* STARTED or ABANDONED, under the lock on D's journal. */
inline d_decide_abandoned()
{
    if
#ifndef MUT_ABANDON_AFTER_STARTED
    :: d_j == STARTED || d_j == DONE -> skip
    :: d_j != STARTED && d_j != DONE ->
#else
    :: true ->
#endif
        d_j = ABANDONED;
        d_sync()
    fi
}

/* D's host settles a journal whose process is gone: recover_destination() */
inline d_settle()
{
    atomic {
        !d_kill;                     /* the dead are dead at once */
        if
        :: d_busy -> skip
        :: else ->
            if
            :: d_j == STARTED && !d_reboot && d_dom == PAUSED -> d_runs()
            :: d_j == DONE -> d_j = NO_JOURNAL; d_sync()
            :: d_j == MAY_START && d_reboot ->
#ifdef MUT_REBOOT_IS_ABANDONED
                d_j = ABANDONED; d_sync()
#else
                skip
#endif
            :: d_j == MAY_START && !d_reboot -> d_j = ABANDONED; d_sync()
            :: d_j == PREPARING -> d_j = ABANDONED; d_sync()
            :: else -> skip
            fi
        fi
    }
    atomic {
        if
#ifndef MUT_LEFTOVER_STAYS
        :: !d_busy && d_j == ABANDONED && d_dom == PAUSED -> d_dom = GONE
#endif
        :: else -> skip
        fi
    }
}

inline d_answer()
{
    atomic {
        !d_kill;
        if
        :: d_j == NO_JOURNAL -> answer = UNKNOWN
        :: d_j != NO_JOURNAL && d_busy ->
            d_decide_abandoned();    /* live_outcome() */
            answer = PENDING
        :: d_j != NO_JOURNAL && !d_busy -> answer = PENDING
        fi
    }
    if
    :: answer == PENDING ->
        d_settle();                  /* recover_outcome() */
        atomic {
            !d_kill;
            if
            :: d_j == STARTED || d_j == DONE -> answer = HAS_STARTED
            :: d_j == ABANDONED -> answer = HAS_ABANDONED
            :: else -> answer = PENDING
            fi
        }
    :: else -> skip
    fi
}

inline ask()
{
    answer = NO_ANSWER;
    if
    :: !calm -> skip                 /* D can't be reached */
    :: true ->
        d_answer();
        if
        :: !calm -> answer = NO_ANSWER
        :: true -> skip
        fi
    fi;
#ifdef MUT_UNKNOWN_IS_ABANDONED
    if
    :: answer == UNKNOWN -> answer = HAS_ABANDONED
    :: else -> skip
    fi;
#endif
#ifdef MUT_SILENCE_IS_ABANDONED
    if
    :: answer == NO_ANSWER -> answer = HAS_ABANDONED
    :: else -> skip
    fi
#endif
}

/* ---- The source --------------------------------------------------------- */

inline s_dies()
{
    atomic {
        s_kill = false;
        s_busy = false;
        s_closed = true;
        s_over = true
    }
}

proctype Source()
{
    mtype:outcome answer = NO_ANSWER;
    mtype:msg m;
    bool suspended;

    {
        s_j = PREPARING;
        atomic { s_j = PERMIT; s_sync() };
        s_send(ARM);
        if
        :: to_s?m ->
            if
            :: m == ARMED -> skip
            :: else -> goto roll_back
            fi
        :: cut || d_closed -> goto roll_back
        fi;

#ifndef MUT_NO_SUSPENDING
        s_j = SUSPENDING;
#endif
        asked = true;
        if
        :: atomic { s_dom == SUSPENDED -> asked = false };
           suspended = true
        :: goto roll_back            /* its patience ends */
        :: s_dom == GONE -> goto roll_back
        fi;
        state_left = true;
        if
        :: early -> skip
        :: !early ->
            if
            :: to_s?m ->
                if
                :: m == READY -> skip
                :: else -> goto roll_back
                fi
            :: cut || d_closed -> goto roll_back
            fi
        fi;

        s_send(GO);
await:  if
        :: to_s?m ->
            if
            :: m == READY -> assert(early); goto await
            :: m == RUNNING -> goto finish
            :: m == REFUSED -> goto roll_back
            :: m == ERROR -> skip
            fi
        :: cut || d_closed -> skip
        fi;
#ifdef MUT_LOST_IS_ABANDONED
        goto roll_back;
#endif

settle: ask();
        if
        :: answer == HAS_STARTED -> goto finish
        :: answer == HAS_ABANDONED -> goto roll_back
        :: else ->
            if
            :: !calm -> goto settle
            :: true -> skip          /* its patience ends */
            fi
        fi;
        atomic { s_j = IN_DOUBT; s_sync() };
        s_says(DOUBT);
        goto over;

finish: s_destroys();
        atomic { s_j = DONE; s_sync() };
        s_says(AT_DESTINATION);
        s_send(BYE);
        goto over;

roll_back:
        if
        :: suspended && s_dom == SUSPENDED -> s_runs()
        :: else -> skip
        fi;
        if
        :: asked ->
            if
            :: atomic { s_dom == RUNS -> asked = false }
            :: atomic { s_dom == SUSPENDED -> asked = false };
               s_runs()
            :: true -> skip          /* it may still obey */
            fi
        :: else -> skip
        fi;
        /* D may forget once it is told: nobody here is to ask then. */
#ifdef MUT_TOLD_BEFORE_WRITTEN
        s_send(ERROR);
#endif
        if
        :: asked -> atomic { s_j = WITHDRAWN; s_sync() }
        :: else ->
            s_says(AT_SOURCE);
            atomic { s_j = RESUMED; s_sync() }
        fi;
        s_send(ERROR);
        if
        :: s_j == RESUMED -> atomic { s_j = NO_JOURNAL; s_sync() }
        :: else -> skip
        fi;

over:   s_dies()
    } unless { s_kill -> s_dies() }
}

/* xmig recover: recover_source() */
proctype Recover(bool word)
{
    mtype:outcome answer = NO_ANSWER;
    bool runs;

    {
        runs = s_dom == RUNS;
        answer = HAS_ABANDONED;
        if
        :: runs -> skip              /* it was never suspended, or resumed */
        :: else ->
            if
            :: s_j == PREPARING || s_j == WITHDRAWN -> skip
            :: s_j == PERMIT && !s_reboot -> skip
            :: (s_j == PERMIT && s_reboot) || s_j == SUSPENDING ||
               s_j == IN_DOUBT ->
                ask();
                if
                :: word && answer != HAS_STARTED -> answer = HAS_ABANDONED
                :: else -> skip
                fi
            :: s_j == DONE -> answer = HAS_STARTED
            :: s_j == RESUMED || s_j == NO_JOURNAL -> goto forget
            fi
        fi;
        if
        :: answer == HAS_STARTED ->
            s_destroys();
            atomic { s_j = DONE; s_sync() };
            s_says(AT_DESTINATION)
        :: answer == HAS_ABANDONED ->
            if
            :: runs && asked ->      /* it shall not obey behind our back */
                if
                :: atomic { s_dom == RUNS -> asked = false }
                :: atomic { s_dom == SUSPENDED -> asked = false };
                   s_runs()
                :: s_dom == GONE -> skip
                fi
            :: else ->
                asked = false;
                if
                :: s_dom == SUSPENDED -> s_runs()
                :: else -> skip
                fi
            fi;
            s_says(AT_SOURCE);
            atomic { s_j = RESUMED; s_sync() }
        :: else ->
            s_says(DOUBT);
            goto over
        fi;
forget: atomic { s_j = NO_JOURNAL; s_sync() };
over:   s_dies()
    } unless { s_kill -> s_dies() }
}

/* The guest obeys a request to suspend. */
active proctype Guest()
{
    do
    :: atomic { asked && s_dom == RUNS -> s_dom = SUSPENDED }
    :: calm && !asked -> break
    od
}

/* ---- The destination ---------------------------------------------------- */

inline d_dies()
{
    atomic {
        d_kill = false;
        d_busy = false;
        d_closed = true;
        d_over = true
    }
}

proctype Destination()
{
    mtype:msg m;
    bool may_start, gave_up, go;

    {
        atomic { d_j = PREPARING; d_sync() };
        d_dom = PAUSED;
        do
        :: to_d?m ->
            if
            :: m == ARM ->
#ifndef MUT_NO_MAY_START
                atomic { if
                         :: d_j == PREPARING -> d_j = MAY_START; d_sync()
                         :: else -> goto abandon
                         fi };
#endif
                may_start = true;
                d_send(ARMED)
#ifdef MUT_STARTED_WITHOUT_ALL
            :: m == GO -> break
#else
            :: m == GO -> assert(early || complete); go = true
#endif
            :: m == ERROR -> gave_up = true; goto abandon
            :: m == BYE -> assert(false)
            fi
        :: state_left && !complete ->
            if
            :: complete = true; d_send(READY)
            :: goto abandon          /* it can't be set */
            fi
        :: go && complete -> break
        /* With GO it waits for the lanes alone. */
        :: (cut || s_closed) && !(go && complete) -> goto abandon
        :: d_j == ABANDONED -> goto abandon     /* a question stopped us */
        od;

#ifdef MUT_UNPAUSE_FIRST
        d_runs();
#endif
#ifdef MUT_DECIDED_WITHOUT_LOCK
        d_j != ABANDONED;
#endif
        atomic {
            if
#ifdef MUT_DECIDED_WITHOUT_LOCK
            :: d_j = STARTED; started = true
#endif
#ifndef MUT_STARTED_AFTER_ABANDONED
            :: d_j == ABANDONED -> goto refuse
            :: d_j != ABANDONED ->
#else
            :: true ->
#endif
                d_j = STARTED;
                started = true
            fi
        };
#ifndef MUT_UNPAUSE_FIRST
        d_runs();
#endif
        d_send(RUNNING);
        d_sync();
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

refuse: d_send(REFUSED);
abandon:
        d_decide_abandoned();
        if
        :: early && may_start -> d_send(REFUSED)     /* GO may be under way */
        :: else -> d_send(ERROR)
        fi;
        if
        :: d_dom == PAUSED -> d_dom = GONE
        :: else -> skip
        fi;
        if
        :: !may_start || gave_up ->
            atomic { d_j = NO_JOURNAL; d_sync() }
        :: else -> skip
        fi;
over:   d_dies()
    } unless { d_kill -> d_dies() }
}

/* ---- The world ---------------------------------------------------------- */

inline crash_s()
{
    if
    :: s_j = s_disk
    :: s_disk = s_j
    fi;
    s_dom = GONE;
    s_reboot = true;
    s_crashed = true;
    cut = true;
    asked = false;
    s_kill = s_busy
}

inline crash_d()
{
    if
    :: d_j = d_disk
    :: d_disk = d_j
    fi;
    d_dom = GONE;
    d_reboot = true;
    d_crashed = true;
    cut = true;
    d_kill = d_busy
}

inline recover(word)
{
    atomic { !s_busy && s_over -> s_busy = true; s_over = false;
             run Recover(word) };
    s_over
}

/* What must hold when the faults have ended and everybody had his say. */
inline finish()
{
    atomic {
        assert(!(s_dom == RUNS && d_dom == RUNS));
        /* Nothing is left at D of one that it gave up. */
        assert(d_dom != PAUSED || d_forgot);
        if
        :: s_dom == SUSPENDED ->
            /* In doubt, and with reason. */
            assert(says == DOUBT && s_j != NO_JOURNAL);
            assert(d_crashed || d_forgot)
        :: s_dom != SUSPENDED ->
            assert(s_j == NO_JOURNAL || (says == DOUBT &&
                   (s_crashed || d_crashed || d_forgot)));
            /* Unless it runs, its host took it along. */
            assert(s_dom == RUNS || d_dom == RUNS || s_crashed ||
                   ((d_crashed || d_forgot) && started))
        fi
    }
}

active proctype World()
{
    byte asks = 1;

    atomic {
        if
        :: early = true
        :: skip
        fi;
        s_busy = true;
        d_busy = true;
        run Source();
        run Destination()
    };
    do
    :: atomic { faults && s_busy && !s_kill -> faults--; s_kill = true }
    :: atomic { faults && d_busy && !d_kill -> faults--; d_kill = true }
    :: atomic { faults && !cut -> faults--; cut = true }
    :: atomic { faults && !s_crashed && !s_kill -> faults--; crash_s() }
    :: atomic { faults && !d_crashed && !d_kill -> faults--; crash_d() }
    :: atomic { faults && d_over && !d_forgot -> faults--; d_forgot = true;
                d_j = NO_JOURNAL; d_sync() }
    :: d_over -> d_settle()          /* a receiver starts anew */
    :: atomic { asks && s_over -> asks--; s_busy = true; s_over = false;
                run Recover(false) }
    :: break
    od;

    /* No more faults: all must end by itself, and one xmig recover settle
     * what is left. */
    calm = true;
    s_over && d_over;
    recover(false);
    d_settle();
    finish();

    /* The operator sees to it that D is off, and gives his word. */
    if
    :: s_dom == SUSPENDED ->
#ifdef MUT_WORD_IS_FALSE
        fenced = true;
#else
        atomic { fenced = true; crash_d() };
#endif
        recover(true);
        assert(s_dom == RUNS || says == AT_DESTINATION)
    :: else -> skip
    fi
}
