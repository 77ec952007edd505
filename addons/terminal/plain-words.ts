// Devices say why a shell was refused in words of their own (`connect-protocol.md` §3.3). What a person needs is what
// it means and what to do.
const meanings: readonly (readonly [said: RegExp, means: string])[] = [
  [
    /^user has too many open sessions/i,
    'You have as many terminals open on this device as it allows: close one first.',
  ],
  [/^too many shells spawned/i, 'The device has as many shells open as it allows: wait until somebody closes one.'],
  [/^unknown message protocol and type: 1\//i, 'The terminal is switched off in the configuration of this device.'],
  [
    /^the Connect daemon of the device opens shells that say nothing/i,
    'This device opens shells that say nothing: restart mender-connect on it.',
  ],
  [/^session not found/i, 'The device no longer knows this session: it may have restarted.'],
  [/^ended by an administrator/i, 'An administrator has ended this session.'],
  [/^session expired/i, 'The device ended the shell: it was idle, or open, for longer than its configuration allows.'],
  [/^health check failed/i, 'The device heard nothing of this terminal for a minute, and ended the shell.'],
  [/^(the )?device (is )?disconnected/i, 'The device has lost its connection, and the shell with it.'],
  [/^session byte limit ex/i, 'The terminal has shown as much as the server allows in one session: open another one.'],
  [/^user disconnected/i, 'The session has ended.'],
  // A pty of Linux answers so once its shell has exited: nothing went wrong.
  [/input\/output error|^EOF$|^shell exited with code 0$/i, 'The shell has ended.'],
];

/** What the device's reason for the end of a shell means. */
export function plainWords(said: string): string {
  const line = said.trim().split('\n')[0]?.slice(0, 300) ?? '';
  if (!line) return 'The shell has ended.';
  const known = meanings.find(([pattern]) => pattern.test(line));
  if (known) return known[1];
  const code = /^shell exited with code (\d+)$/i.exec(line)?.[1];
  if (code !== undefined) return `The shell has ended with code ${code}.`;
  const start = /^failed to start shell: (.*)$/i.exec(line)?.[1];
  const sentence =
    start === undefined ? `The device ended the session: ${line}` : `The device started no shell: ${start}`;
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
