import { Tooltip } from '@mantine/core';
import type { Presence } from '../api/presence.ts';

const words: Record<Presence, string> = {
  connected: 'Online: connected now',
  disconnected: 'Offline: not connected',
  unknown: 'Never connected',
};

export function PresenceDot({ presence }: { readonly presence: Presence | undefined }) {
  const word = presence ? words[presence] : 'Asking…';
  return (
    <Tooltip label={word}>
      <span className="dot" role="img" aria-label={word} data-presence={presence ?? 'unknown'} />
    </Tooltip>
  );
}
