/* leader.pml - who may write and who is obeyed: the lock, the leader row, epochs, sessions (ARCHITECTURE.md, "Who may
 * write"). A model for spin; tests/unit/leader_model.sh checks it, and that it notices when it is made wrong.
 *
 * Two schedulers, two agents, one task with up to ATTEMPTS attempts. A scheduler may be replaced at any step, although
 * it is only slow (every step of a process may be the last for a long time, which is what SIGSTOP does); answers to
 * commits and messages may be lost, and messages wait as long as they like. A scheduler that is woken goes on from
 * where it was.
 *
 *   -DSELECT_FENCE   the leader row is read before the rows are written, and not moved with them
 *   -DBLIND_RESEND   a batch whose answer was lost is sent again without a look at the row
 *   -DOLD_EPOCHS     agents obey whoever speaks */
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#ifndef EPOCHS
#define EPOCHS 2        /* takeovers that are tried, the first one included */
#endif
#ifndef HELLOS
#define HELLOS 2        /* sessions that are given out; hellos of an agent */
#endif
#ifndef DEPTH
#define DEPTH 2         /* messages on their way to an agent */
#endif
#define NOBODY 2

mtype = { QUEUED, ASSIGNED, ENDED, assign, welcome, hello, result };

/* --- the database: one row of each kind */
byte row_epoch, row_batch;
mtype row_state = QUEUED;
byte row_number, row_owner = NOBODY, row_session;
byte row_hello[2];                       /* the session of each agent */
byte verdicts;

/* --- what must never happen */
byte runs[ATTEMPTS + 1];                 /* by attempt number */

/* Down: type, epoch, session, attempt. Up: type, attempt. Whoever believes to lead may be the one that gets it. */
chan down[2] = [DEPTH] of { mtype, byte, byte, byte };
chan up[2] = [1] of { mtype, byte };

/* --- schedulers ---------------------------------------------------------------------------------------------------- */

proctype scheduler(byte me)
{
    byte epoch, batch;                   /* epoch 0: it does not lead */
    mtype state;                         /* its memory: the rows, as it loaded or wrote them */
    byte number, owner, session, from, said_number;
    byte hellos[2];
    mtype type;
    bool is_selected;                    /* the row was read, and was its own */

standby:
    skip;
    d_step {
        epoch = 0; batch = 0; number = 0; owner = 0; session = 0; from = 0; said_number = 0;
        hellos[0] = 0; hellos[1] = 0; is_selected = false; state = QUEUED; type = 0;
    }
    /* The lock is free, or its holder was silent for too long and its session is ended: one step, for the row cannot
     * move while a transaction that moved it is open. */
    if
    :: d_step { row_epoch < EPOCHS ->
           row_epoch++; row_batch = 0; epoch = row_epoch; batch = 0;
           state = row_state; number = row_number; owner = row_owner; session = row_session;
           hellos[0] = row_hello[0]; hellos[1] = row_hello[1] }
    :: row_epoch == EPOCHS -> goto done
    fi;

leading:
    atomic {
        from = NOBODY; type = 0; said_number = 0; is_selected = false;
        if
        :: state == QUEUED && number < ATTEMPTS && hellos[0] -> from = 0; type = assign
        :: state == QUEUED && number < ATTEMPTS && hellos[1] -> from = 1; type = assign
        :: state == ASSIGNED -> type = QUEUED                                  /* the lease runs out: it is lost */
        :: up[0]?type, said_number -> from = 0
        :: up[1]?type, said_number -> from = 1
        :: row_epoch == EPOCHS && row_epoch != epoch -> goto done              /* killed, at last */
        fi;

        /* What changes nothing needs no commit. */
        if
        :: type == hello && (hellos[0] == HELLOS || hellos[1] == HELLOS) -> goto leading
        :: type == result && (number != said_number || owner != from || state != ASSIGNED) -> goto leading
        :: else
        fi;

        if
        :: type == assign -> number++; owner = from; session = hellos[from]; state = ASSIGNED
        :: type == QUEUED -> state = QUEUED
        :: type == hello ->
            hellos[from] = (hellos[0] > hellos[1] -> hellos[0] : hellos[1]) + 1;
            if                           /* what the inventory does not list is sent again, or is lost */
            :: state == ASSIGNED && owner == from && said_number != number -> session = hellos[from]
            :: state == ASSIGNED && owner == from && said_number != number -> state = QUEUED
            :: state != ASSIGNED || owner != from || said_number == number
            fi
        :: type == result -> state = ENDED
        fi;
#ifdef SELECT_FENCE
        is_selected = (row_epoch == epoch && row_batch == batch);
#endif
    }
send:
    if
    :: atomic {                          /* the commit: whole, or not at all */
#ifdef SELECT_FENCE
           is_selected ->
#else
#ifdef BLIND_RESEND
           (row_epoch == epoch) ->
#else
           (row_epoch == epoch && row_batch == batch) ->
#endif
#endif
           assert(row_epoch == epoch);   /* nothing of an old epoch is written after the takeover */
           row_batch++;
           row_state = state; row_number = number; row_owner = owner; row_session = session;
           if
           :: type == hello -> row_hello[from] = hellos[from]
           :: else
           fi;
           if
           :: type == result -> verdicts++; assert(verdicts <= 1)
           :: else
           fi
       }
    :: else -> goto standby              /* fenced off: everything it knows is thrown away */
    fi;

    atomic {
        if
        :: batch++                       /* the answer came */
        :: true ->                       /* it is lost: the row says whether the batch is in */
            if
#ifdef BLIND_RESEND
            :: type == result -> goto send
            :: type != result -> batch++
#else
            :: row_epoch == epoch && row_batch == batch + 1 -> batch++
            :: row_epoch == epoch && row_batch == batch -> goto send
            :: row_epoch != epoch -> goto standby
#endif
            fi
        fi;
        /* Messages leave after the commit. What does not fit is lost. */
        if
        :: type == hello && len(down[from]) < DEPTH -> down[from]!welcome, epoch, hellos[from], 0
        :: else
        fi;
        if
        :: (type == assign || type == hello) && state == ASSIGNED && owner == from && len(down[owner]) < DEPTH ->
            down[owner]!assign, epoch, session, number
        :: else
        fi
    }
    goto leading;

done:
    skip
}

/* --- agents ---------------------------------------------------------------------------------------------------------- */

proctype agent(byte me)
{
    byte seen, session, held, hellos;    /* seen: the highest epoch */
    bool begun[ATTEMPTS + 1];            /* on its disk */
    byte epoch, said_session, number;
    mtype type;

    do
    :: atomic { down[me]?type, epoch, said_session, number ->
        if
#ifdef OLD_EPOCHS
        :: true ->
#else
        :: epoch < seen
        :: epoch >= seen ->
#endif
            assert(epoch >= seen);       /* nothing older is obeyed after something newer */
            seen = epoch;
            if
            :: type == welcome -> session = said_session
            :: type == assign && said_session == session && !begun[number] ->
                begun[number] = true; held = number; runs[number]++;
                assert(runs[number] <= 1)   /* one attempt number, one run, on one agent */
            :: else
            fi
        fi;
        epoch = 0; said_session = 0; number = 0; type = 0 }
    :: atomic { hellos < HELLOS && len(up[me]) < 1 -> hellos++; up[me]!hello, held }
    :: atomic { held && len(up[me]) < 1 -> up[me]!result, held; held = 0 }
    :: held -> held = 0                  /* it dies, and its build with it */
    od
}

init {
    atomic {
        run scheduler(0); run scheduler(1);
        run agent(0); run agent(1)
    }
}
