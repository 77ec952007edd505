import { el } from '#addon/web/dom';
import { type Channel, type ChannelKind, channelKinds } from '../answers.ts';
import { ask } from './dialog.ts';
import { choice, field } from './signs.ts';

const kindWords: Readonly<Record<ChannelKind, string>> = {
  email: 'e-mail',
  webhook: 'webhook (JSON)',
  slack: 'chat, as Slack takes it',
  teams: 'chat, as Teams takes it',
};
const levels = [
  ['WARNING', 'Warning'],
  ['CRITICAL', 'Critical'],
  ['CRITICAL_FLAPPING', 'Critical, flapping'],
  ['UNKNOWN', 'Unknown'],
] as const;

/** Asks where notifications go, and which; secrets that were given are not shown, and stay if left empty. */
export async function askChannel(
  parent: HTMLElement,
  before: Channel | undefined,
  save: (body: object) => Promise<unknown>,
): Promise<boolean> {
  const name = el('input', { value: before?.name ?? '', required: true, maxLength: 128, ariaLabel: 'Name' });
  const kind = choice(
    'Kind',
    channelKinds.map((one) => [one, kindWords[one]] as const),
    before?.kind ?? 'email',
  );
  kind.disabled = before !== undefined;
  const to = el('input', { value: before?.to?.join(', ') ?? '', ariaLabel: 'To', spellcheck: false });
  const url = el('input', { type: 'url', maxLength: 2048, ariaLabel: 'Address', spellcheck: false });
  // Of a chat only the origin is known: it is no address to give back.
  if (before?.kind === 'webhook') url.value = before.url ?? '';
  else if (before?.url !== undefined) url.placeholder = before.url;
  const secret = el('input', {
    type: 'password',
    autocomplete: 'off',
    pattern: '([0-9a-fA-F]{2})*',
    ariaLabel: 'Secret',
  });
  secret.title = 'an even number of hexadecimal digits';
  const ofMail = field('To', to, 'addresses, with commas between');
  const ofUrl = field('Address', url, before && before.kind !== 'webhook' ? 'left empty it stays' : '');
  const ofSecret = field(
    'Secret',
    secret,
    `hexadecimal; the body is signed with it${before?.has_secret ? '; left empty it stays' : ''}`,
  );
  const groups = el('input', { value: before?.groups.join(', ') ?? '', ariaLabel: 'Groups', spellcheck: false });
  const checks = el('input', { value: before?.checks.join(', ') ?? '', ariaLabel: 'Checks', spellcheck: false });
  const boxes = levels.map(
    ([level, words]) =>
      [level, words, el('input', { type: 'checkbox', checked: before?.levels.includes(level) ?? false })] as const,
  );
  const recoveries = el('input', { type: 'checkbox', checked: before?.recoveries ?? true });
  const changed = (): void => {
    const mail = kind.value === 'email';
    ofMail.hidden = !mail;
    ofUrl.hidden = mail;
    ofSecret.hidden = kind.value !== 'webhook';
    to.required = mail;
    url.required = !mail && before === undefined;
  };
  kind.addEventListener('change', changed);
  changed();
  return await ask(
    parent,
    before ? `Change ${before.name}` : 'New route',
    [
      el('div', { className: 'two' }, field('Name', name), field('Kind', kind)),
      ofMail,
      ofUrl,
      ofSecret,
      field('Only of devices in groups', groups, 'with commas between; empty: of all'),
      field('Only of checks', checks, 'such as disk_*, log_oom; empty: of all'),
      el(
        'div',
        { className: 'line', role: 'group', ariaLabel: 'Only of levels; none: of all' },
        el('span', { className: 'dim' }, 'Only of levels'),
        ...boxes.map(([, words, box]) => el('label', { className: 'tick' }, box, words)),
      ),
      el('label', { className: 'tick' }, recoveries, 'Also tell when it is over'),
    ],
    'Save',
    () =>
      save({
        name: name.value.trim(),
        ...(before ? {} : { kind: kind.value }),
        ...(ofMail.hidden ? {} : { to: words(to.value) }),
        ...(ofUrl.hidden || url.value.trim() === '' ? {} : { url: url.value.trim() }),
        ...(ofSecret.hidden || secret.value === '' ? {} : { secret: secret.value }),
        groups: words(groups.value),
        checks: words(checks.value),
        levels: boxes.filter(([, , box]) => box.checked).map(([level]) => level),
        recoveries: recoveries.checked,
      }),
  );
}

const words = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
