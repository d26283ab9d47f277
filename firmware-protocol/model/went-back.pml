/*
 * What the gateway remembers of a device, and whether a copy of it or a restored one is noticed (PROTOCOL.md sections 3 and 9). The
 * device counts its starts in memory that survives, and its events in each start. Somebody copies its memory once, and later puts the
 * copy in its place, with keys and all. The gateway keeps boot and events at each opening of a session, and events again at an
 * orderly stop; it may crash at any moment, also between keeping and believing.
 *
 *     spin -a went-back.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * What is asserted: no session is believed with a boot below one that was believed before, nor in one boot with fewer events than were
 * kept at an opening or a stop, or seen while the gateway ran; and a device that nobody copied is never accused. -DBROKEN
 * has the gateway keep after it believed, and the checker must find the copy that is believed after a crash.
 */
#define BOOTS 4
#define EVENTS 3

/* The device that is plugged in, and a copy of its lasting memory. */
byte boot = 1;
byte events = 0;
byte copied = 0;
bool isCopy = false;

/* On the gateway's disk. */
byte keptBoot = 0;
byte keptEvents = 0;

/* For the assertions alone: the newest that was ever believed, and how many of its events had to be remembered. */
byte believedBoot = 0;
byte owedEvents = 0;

active proctype Device() {
end_loop:
  do
  /* Counted up and kept before the first frame. */
  :: atomic { boot < BOOTS -> boot++; events = 0 }
  :: atomic { events < EVENTS -> events++ }
  :: atomic { copied == 0 && !isCopy -> copied = boot }
  /* The copy starts, so it counts: it is one ahead of when it was made. */
  :: atomic { copied != 0 && !isCopy && copied < BOOTS -> isCopy = true; boot = copied + 1; events = 0 }
  od
}

active proctype Gateway() {
  /* In its own memory: gone when it crashes. */
  byte runBoot = 0; byte runEvents = 0;
  byte b; byte e; byte known; bool wentBack;
end_loop:
  do
  /* A session opens: boot and events stand in READY. */
  :: atomic { b = boot; e = events };
     atomic {
       known = 0;
       if
       :: b == keptBoot -> known = keptEvents
       :: else -> skip
       fi;
       if
       :: b == runBoot && runEvents > known -> known = runEvents
       :: else -> skip
       fi;
       wentBack = (b < keptBoot) || (e < known);
       /* A device that counted on honestly is above all that is known of it, also when it started anew meanwhile. */
       assert(!wentBack || isCopy)
     };
     if
     :: wentBack -> skip
     :: else ->
#ifndef BROKEN
        atomic { keptBoot = b; keptEvents = e };
#endif
        if
        :: true ->
           atomic {
             assert(b >= believedBoot);
             assert(b != believedBoot || e >= owedEvents);
             believedBoot = b; owedEvents = e; runBoot = b; runEvents = e
           }
        /* Crashed between keeping and believing. */
        :: true -> atomic { runBoot = 0; runEvents = 0 }
        fi
#ifdef BROKEN
        ;
        if
        :: true -> atomic { keptBoot = b; keptEvents = e }
        :: true -> atomic { runBoot = 0; runEvents = 0 }
        fi
#endif
     fi
  /* A poll in the running session. Another start would have ended it. */
  :: atomic { runBoot != 0 && boot == runBoot && events >= runEvents && !isCopy -> runEvents = events; owedEvents = events }
  /* An orderly stop, and the next start. */
  :: atomic { runBoot != 0 && runBoot == keptBoot ->
       if
       :: runEvents > keptEvents -> keptEvents = runEvents
       :: else -> skip
       fi;
       runBoot = 0; runEvents = 0 }
  /* A crash: of the events, those at the last opening still count. */
  :: atomic { runBoot = 0; runEvents = 0;
       if
       :: believedBoot == keptBoot && owedEvents > keptEvents -> owedEvents = keptEvents
       :: else -> skip
       fi }
  od
}
