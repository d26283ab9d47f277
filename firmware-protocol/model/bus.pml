/*
 * Two devices on one cable (PROTOCOL.md sections 1 and 4): both hear whatever the gateway says, each has a key of its own, and their
 * addresses may be the same by mistake. On the cable is somebody who loses, keeps and says again, to whom he likes, and who may put another
 * address on an open frame; the address of a sealed one is under its tag. Cryptography is perfect: `key` names whose key made a frame.
 *
 *     spin -a bus.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000
 *
 * What is asserted: a device performs only what was asked of it, each request once and in its order; the gateway takes an answer
 * only of the device that it asked, and only of what that one performed. With -DBROKEN both devices have one key, as a maker might
 * have it, and answer to each other's address; the checker must then find the answer of the wrong one.
 */
#define SESSIONS 2
#define REQUESTS 2
#define KEPT 2
#define SAID 2
#define NONE 0

mtype = { HELLO, CHALLENGE, PROVE, READY, ASK, ANSWER };

/* type, address, whose key, nonce of the gateway, nonce of the device, number */
chan toFirst = [1] of { mtype, byte, byte, byte, byte, byte };
chan toSecond = [1] of { mtype, byte, byte, byte, byte, byte };
chan toGateway = [1] of { mtype, byte, byte, byte, byte, byte };

byte drawnG = 0;
byte drawnD = 0;

/* By session, which the gateway's nonce names. */
byte meantFor[SESSIONS + 1];
byte performed[SESSIONS + 1];
byte taken[SESSIONS + 1];

#ifdef BROKEN
#define KEY_OF(device) 1
#else
#define KEY_OF(device) device
#endif

/* Both hear it. */
inline shout(type, address, key, a, b, n) {
  atomic { toFirst ! type, address, key, a, b, n; toSecond ! type, address, key, a, b, n }
}

active proctype Gateway() {
  byte rg[3]; byte rd[3]; byte number[3]; byte tried = 0;
  byte who = 1; byte at; byte key; byte a; byte b; byte n;
turn:
  /* Whose turn it is changes with each question; a device without a session is greeted first. */
  who = 3 - who;
  if
  :: rg[who] != NONE && number[who] < REQUESTS ->
     number[who]++; tried = 0; shout(ASK, who, KEY_OF(who), rg[who], rd[who], number[who]); goto asking
  :: rg[who] == NONE && drawnG < SESSIONS ->
     drawnG++; a = drawnG; meantFor[a] = who; rg[who] = a; rd[who] = NONE; number[who] = 0;
     shout(HELLO, who, NONE, a, NONE, 0); goto greeted
  :: else ->
     who = 3 - who;
     if
     :: rg[who] != NONE && number[who] < REQUESTS -> goto again
     :: else -> goto end_done
     fi
  fi;
again:
  number[who]++; tried = 0; shout(ASK, who, KEY_OF(who), rg[who], rd[who], number[who]); goto asking;
greeted:
  do
  :: atomic { toGateway ? CHALLENGE, at, key, a, b, n ->
     if
     :: at == who && key == KEY_OF(who) && a == rg[who] -> rd[who] = b; goto prove
     :: else -> skip
     fi }
  :: toGateway ? READY, at, key, a, b, n
  :: toGateway ? ANSWER, at, key, a, b, n
  :: timeout -> rg[who] = NONE; goto turn
  od;
prove:
  shout(PROVE, who, KEY_OF(who), rg[who], rd[who], 0);
proving:
  do
  :: atomic { toGateway ? READY, at, key, a, b, n ->
     if
     :: at == who && key == KEY_OF(who) && a == rg[who] && b == rd[who] -> goto turn
     :: else -> skip
     fi }
  :: toGateway ? CHALLENGE, at, key, a, b, n
  :: toGateway ? ANSWER, at, key, a, b, n
  :: timeout -> rg[who] = NONE; goto turn
  od;
asking:
  do
  :: atomic { toGateway ? ANSWER, at, key, a, b, n ->
     if
     :: at == who && key == KEY_OF(who) && a == rg[who] && b == rd[who] && n == number[who] ->
        assert(meantFor[a] == who);
        assert(taken[a] == n - 1 && performed[a] >= n);
        taken[a] = n;
        goto turn
     :: else -> skip
     fi }
  :: toGateway ? CHALLENGE, at, key, a, b, n
  :: toGateway ? READY, at, key, a, b, n
  :: timeout ->
     if
     :: tried == 0 -> tried = 1; shout(ASK, who, KEY_OF(who), rg[who], rd[who], number[who])
     :: true -> rg[who] = NONE; goto turn
     fi
  od;
end_done:
  do
  :: toGateway ? CHALLENGE, at, key, a, b, n
  :: toGateway ? READY, at, key, a, b, n
  :: toGateway ? ANSWER, at, key, a, b, n
  od
}

proctype Device(byte own; byte address; chan heard) {
  byte pendingG = NONE; byte pendingD = NONE;
  byte sessionG = NONE; byte sessionD = NONE; byte number = 0;
  byte at; byte key; byte a; byte b; byte n;
end_loop:
  do
  :: atomic { heard ? HELLO, at, key, a, b, n ->
     if
     :: at != address -> goto end_loop
     :: at == address && a != pendingG && drawnD == 3 -> goto end_loop
     :: at == address && a != pendingG && drawnD < 3 -> drawnD++; pendingG = a; pendingD = drawnD
     :: at == address && a == pendingG -> skip
     fi };
     toGateway ! CHALLENGE, address, KEY_OF(own), pendingG, pendingD, 0
  :: atomic { heard ? PROVE, at, key, a, b, n ->
     if
     :: at == address && key == KEY_OF(own) && pendingG != NONE && a == pendingG && b == pendingD ->
        sessionG = a; sessionD = b; number = 0; pendingG = NONE; pendingD = NONE;
        assert(performed[a] == 0)
     :: at == address && key == KEY_OF(own) && a == sessionG && b == sessionD && number == 0 && pendingG == NONE -> skip
     :: else -> goto end_loop
     fi };
     toGateway ! READY, address, KEY_OF(own), sessionG, sessionD, 0
  :: atomic { heard ? ASK, at, key, a, b, n ->
     if
     :: at == address && key == KEY_OF(own) && sessionG != NONE && a == sessionG && b == sessionD && n == number + 1 ->
        number = n;
        assert(meantFor[a] == own);
        assert(performed[a] == n - 1);
        performed[a] = n
     :: at == address && key == KEY_OF(own) && sessionG != NONE && a == sessionG && b == sessionD && n == number && n > 0 -> skip
     :: else -> goto end_loop
     fi };
     toGateway ! ANSWER, address, KEY_OF(own), a, b, n
  od
}

/* Also the noise, the collision of two answers, and the plug that is pulled. */
proctype Attacker() {
  mtype keptType[KEPT]; byte keptAt[KEPT]; byte keptKey[KEPT]; byte keptA[KEPT]; byte keptB[KEPT]; byte keptN[KEPT];
  byte kept = 0; byte said = 0; byte i = 0; byte to = 0;
  mtype t; byte at; byte key; byte a; byte b; byte n;
end_loop:
  do
  :: atomic {
     if
     :: toFirst ? t, at, key, a, b, n
     :: toSecond ? t, at, key, a, b, n
     :: toGateway ? t, at, key, a, b, n
     fi;
     if
     :: kept < KEPT ->
        keptType[kept] = t; keptAt[kept] = at; keptKey[kept] = key; keptA[kept] = a; keptB[kept] = b; keptN[kept] = n; kept++
     :: true -> skip
     fi;
     t = HELLO; at = 0; key = 0; a = 0; b = 0; n = 0 }
  :: atomic { kept > 0 && said < SAID ->
     said++; select (i : 0 .. 1);
     if
     :: i < kept -> at = keptAt[i]
     :: else -> i = 0; at = keptAt[0]
     fi;
     /* An open frame has no tag. */
     if
     :: keptType[i] == HELLO || keptType[i] == CHALLENGE || keptType[i] == PROVE -> at = 3 - at
     :: true -> skip
     fi;
     if
     :: nfull(toFirst) -> toFirst ! keptType[i], at, keptKey[i], keptA[i], keptB[i], keptN[i]
     :: nfull(toSecond) -> toSecond ! keptType[i], at, keptKey[i], keptA[i], keptB[i], keptN[i]
     :: nfull(toGateway) -> toGateway ! keptType[i], at, keptKey[i], keptA[i], keptB[i], keptN[i]
     :: true -> skip
     fi;
     i = 0; at = 0 }
  od
}

init {
  atomic {
    run Device(1, 1, toFirst);
    /* Where it belongs, or by mistake where the other one is. */
    if
    :: run Device(2, 2, toSecond)
    :: run Device(2, 1, toSecond)
    fi;
    run Attacker()
  }
}
