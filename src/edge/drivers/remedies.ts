/** What a person does about a device that is lost or faulted: by the reason word that its event carries. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['no_reply', 'check its power, its cable (A to A, B to B, ground) and its address: "latchkey probe" finds boards'],
  [
    'duplicate_address',
    'two boards have this address: give one of them another on its DIP switch, or with "latchkey pair"',
  ],
  ['wrong_channels', 'its "channels" in the settings are not those of the board: correct them'],
  ['damaged', 'its answers are never sound: check the speed, termination (120 ohm at both ends) and swapped A and B'],
  ['babbling', 'something on the line never falls silent: unplug the boards one by one until it does'],
  [
    'second_master',
    'somebody else asks on this line: let the serial server take one connection (Max Connection 1) and stop the other',
  ],
  ['partly_silent', 'it answers for some locks and not for others: correct its "channels", or look at its wiring'],
  ['not_paired', 'nobody has given it a key: run "latchkey pair"'],
  ['unknown_key', 'it does not have the key of this gateway: run "latchkey pair" again'],
  ['key_unreadable', 'its key_file cannot be read or written: check owner, mode 0600 and the disk'],
  ['swapped', 'another device hangs there than was paired: put the right one back, or run "latchkey pair"'],
  [
    'went_back',
    'it counts fewer starts or events than before: it was copied or restored; keep it for inspection and pair another',
  ],
  ['unmeasured', 'its firmware is not one that "firmware" in the settings allows, or it proves none'],
  ['malformed', 'it breaks the protocol under its own key: update its firmware'],
  ['no_version', 'it speaks another version of the open wire: update its firmware or the gateway'],
  ['port_lost', 'its port was lost, and it has not answered since: check its power, its cable and the adapter'],
]);

export function remedyFor(reason: string): string | undefined {
  return REMEDIES.get(reason);
}
