/** What a person does about a device that is lost or faulted: by the reason word that its event carries. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['no_reply', 'check its power, its cable (A to A, B to B, ground) and its address: "latchkey probe" finds boards'],
  ['duplicate_address', 'two boards have this address: give one of them another on its DIP switch'],
  ['wrong_channels', 'its "channels" in the settings are not those of the board: correct them'],
  ['damaged', 'its answers are never sound: check the speed, termination (120 ohm at both ends) and swapped A and B'],
  ['babbling', 'something on the line never falls silent: unplug the boards one by one until it does'],
  [
    'second_master',
    'somebody else asks on this line: let the serial server take one connection (Max Connection 1) and stop the other',
  ],
  ['partly_silent', 'it answers for some locks and not for others: correct its "channels", or look at its wiring'],
  ['port_lost', 'the port is away: see the reason of the port'],
]);

export function remedyFor(reason: string): string | undefined {
  return REMEDIES.get(reason);
}
