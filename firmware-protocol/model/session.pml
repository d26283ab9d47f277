/*
 * The session of PROTOCOL.md section 4 between one gateway and one device, with somebody on the cable who loses, repeats, holds back
 * and reorders whatever was ever said. Cryptography is perfect here: a frame is its fields, and he can make none of his own, only keep
 * and replay. Nonces and session names are small numbers that are never used twice.
 *
 *     spin -a session.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan          no deadlock, no assertion fails
 *
 * What is asserted: the device performs each request once at most and in its order; the gateway takes each answer once at most, of
 * the request that it asked in the session that it has; both agree on the session. -DBROKEN takes the device's check of the number away, and
 * the checker must find the replay then.
 */
#define SESSIONS 2
#define REQUESTS 2
#define KEPT 3
#define NONE 0

mtype = { HELLO, CHALLENGE, PROVE, READY, ASK, ANSWER };

/* type, nonce of the gateway, nonce of the device, number */
chan toDevice = [1] of { mtype, byte, byte, byte };
chan toGateway = [1] of { mtype, byte, byte, byte };

/* Nonces are drawn by counting. */
byte drawnG = 0;
byte drawnD = 0;

/* What was really done, by session (the gateway's nonce names it). */
byte performed[SESSIONS + 1];
byte taken[SESSIONS + 1];

active proctype Gateway() {
  byte rg = 0; byte rd = 0; byte number = 0;
  byte a; byte b; byte n;
greet:
  if
  :: drawnG < SESSIONS -> drawnG++; rg = drawnG; toDevice ! HELLO, rg, NONE, 0
  :: else -> goto end_done
  fi;
greeted:
  do
  :: toGateway ? CHALLENGE, a, b, n ->
     if
     :: a == rg -> rd = b; toDevice ! PROVE, rg, rd, 0; goto proving
     :: else -> skip
     fi
  :: toGateway ? READY, a, b, n
  :: toGateway ? ANSWER, a, b, n
  :: timeout -> goto greet
  od;
proving:
  do
  :: toGateway ? READY, a, b, n ->
     if
     :: a == rg && b == rd -> number = 0; goto ready
     :: else -> skip
     fi
  :: toGateway ? CHALLENGE, a, b, n
  :: toGateway ? ANSWER, a, b, n
  :: timeout -> goto greet
  od;
ready:
  if
  :: number < REQUESTS -> number++; toDevice ! ASK, rg, rd, number
  :: else -> goto greet
  fi;
asking:
  do
  :: toGateway ? ANSWER, a, b, n ->
     if
     :: a == rg && b == rd && n == number ->
        /* Once, in its order, and only what the device has performed. */
        assert(taken[rg] == number - 1);
        assert(performed[rg] >= number);
        taken[rg] = number;
        goto ready
     :: else -> skip
     fi
  :: toGateway ? CHALLENGE, a, b, n
  :: toGateway ? READY, a, b, n
     /* The same bytes again, or the session is given up. */
  :: timeout ->
     if
     :: toDevice ! ASK, rg, rd, number
     :: goto greet
     fi
  od;
end_done:
  do
  :: toGateway ? CHALLENGE, a, b, n
  :: toGateway ? READY, a, b, n
  :: toGateway ? ANSWER, a, b, n
  od
}

active proctype Device() {
  byte pendingG = NONE; byte pendingD = NONE;
  byte sessionG = NONE; byte sessionD = NONE; byte number = 0;
  byte a; byte b; byte n;
end_loop:
  do
  :: toDevice ? HELLO, a, b, n ->
     if
     :: a == pendingG -> skip
     :: a != pendingG && drawnD < 3 -> drawnD++; pendingG = a; pendingD = drawnD
     :: a != pendingG && drawnD >= 3 -> goto end_loop
     fi;
     toGateway ! CHALLENGE, pendingG, pendingD, 0
  :: toDevice ? PROVE, a, b, n ->
     if
     :: pendingG != NONE && a == pendingG && b == pendingD ->
        sessionG = a; sessionD = b; number = 0; pendingG = NONE; pendingD = NONE;
        /* A session never comes back: what it performed is performed. */
        assert(performed[sessionG] == 0);
        toGateway ! READY, sessionG, sessionD, 0
     :: !(pendingG != NONE && a == pendingG && b == pendingD) && sessionG != NONE && a == sessionG && b == sessionD && number == 0 ->
        toGateway ! READY, sessionG, sessionD, 0
     :: else -> skip
     fi
  :: toDevice ? ASK, a, b, n ->
     if
#ifdef BROKEN
     :: sessionG != NONE && a == sessionG && b == sessionD ->
#else
     :: sessionG != NONE && a == sessionG && b == sessionD && n == number + 1 ->
#endif
        number = n;
        assert(performed[a] == n - 1);
        performed[a] = n;
        toGateway ! ANSWER, a, b, n
     /* Repeated: the same answer, not performed again. */
#ifndef BROKEN
     :: sessionG != NONE && a == sessionG && b == sessionD && n == number && n > 0 -> toGateway ! ANSWER, a, b, n
#endif
     :: else -> skip
     fi
  od
}

/* Takes what is on the cable away, keeps some of it, and says what he kept, to whomever he likes, when he likes. */
active proctype Attacker() {
  mtype keptType[KEPT]; byte keptA[KEPT]; byte keptB[KEPT]; byte keptN[KEPT];
  byte kept = 0; byte said = 0; byte i = 0;
  mtype t; byte a; byte b; byte n;
end_loop:
  do
  :: atomic { toDevice ? t, a, b, n;
     if
     :: kept < KEPT -> keptType[kept] = t; keptA[kept] = a; keptB[kept] = b; keptN[kept] = n; kept++
     :: true -> skip
     fi }
  :: atomic { toGateway ? t, a, b, n;
     if
     :: kept < KEPT -> keptType[kept] = t; keptA[kept] = a; keptB[kept] = b; keptN[kept] = n; kept++
     :: true -> skip
     fi }
  :: atomic { kept > 0 && said < 4 && nfull(toDevice) ->
     said++; select (i : 0 .. 2);
     if
     :: i < kept -> toDevice ! keptType[i], keptA[i], keptB[i], keptN[i]
     :: else -> skip
     fi }
  :: atomic { kept > 0 && said < 4 && nfull(toGateway) ->
     said++; select (i : 0 .. 2);
     if
     :: i < kept -> toGateway ! keptType[i], keptA[i], keptB[i], keptN[i]
     :: else -> skip
     fi }
  od
}
