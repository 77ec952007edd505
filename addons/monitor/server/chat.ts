import { cut, type Item, linkTo, type Notice, restOf, subjectOf, timeText } from './notice.ts';

/** Alerts that a chat message lists: it is read at a glance. */
const shown = 10;

/** The body of our own webhook. */
export function hookBody(id: string, time: string, notice: Notice): string {
  const { level, name, alerts, devices, items } = notice;
  return JSON.stringify({
    id,
    type: 'monitor-alerts',
    time,
    data: {
      summary: subjectOf(notice),
      level,
      name,
      recovery: level === 'OK',
      alerts_total: alerts,
      devices_total: devices,
      alerts: items,
      not_listed: restOf(notice),
    },
  });
}

/** What Slack takes at its incoming webhooks, and Mattermost and Rocket.Chat too. */
export function slackBody(notice: Notice, publicUrl: string | undefined): string {
  const lines = shownItems(notice).map(({ device_id, group, timestamp, name, level }) => {
    const link = linkTo(publicUrl, device_id);
    const device = link === undefined ? plain(device_id) : `<${link}|${plain(device_id)}>`;
    const what = notice.name === '' ? ` ${level}: ${plain(cut(name, 200))}` : '';
    return `${device}${group === undefined ? '' : ` (${plain(group)})`}${what} ${timeText(timestamp)}`;
  });
  return JSON.stringify({
    text: `*${plain(subjectOf(notice))}*`,
    attachments: [
      {
        color: colorOf(notice),
        fallback: subjectOf(notice),
        text: [...lines, ...detailOf(notice).map(plain), ...moreOf(notice)].join('\n'),
      },
    ],
  });
}

/** What Microsoft Teams takes at the webhook of a workflow: an adaptive card. */
export function teamsBody(notice: Notice, publicUrl: string | undefined): string {
  const [first] = notice.items;
  const link = notice.devices === 1 && first ? linkTo(publicUrl, first.device_id) : publicUrl;
  const block = (text: string, more: Record<string, unknown> = {}) => ({
    type: 'TextBlock',
    text: markdown(text),
    wrap: true,
    ...more,
  });
  const color = notice.level === 'OK' ? 'Good' : notice.level === 'WARNING' ? 'Warning' : 'Attention';
  return JSON.stringify({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            block(subjectOf(notice), { weight: 'Bolder', size: 'Medium', color }),
            ...shownItems(notice).map(({ device_id, group, timestamp, name, level }) =>
              block(
                `${device_id}${group === undefined ? '' : ` (${group})`}${notice.name === '' ? ` ${level}: ${cut(name, 200)}` : ''} ${timeText(timestamp)}`,
                { spacing: 'Small' },
              ),
            ),
            ...[...detailOf(notice), ...moreOf(notice)].map((text) => block(text)),
          ],
          actions: link === undefined ? [] : [{ type: 'Action.OpenUrl', title: 'Open', url: link }],
        },
      },
    ],
  });
}

const shownItems = ({ items }: Notice): readonly Item[] => items.slice(0, shown);
const moreOf = (notice: Notice): string[] => {
  const more = notice.alerts - Math.min(shown, notice.items.length);
  return more > 0 ? [`and ${more} more`] : [];
};
const detailOf = ({ alerts, items }: Notice): string[] => {
  const details = alerts === 1 ? items[0]?.subject.details : undefined;
  return [details?.description, details?.line_matching?.data].flatMap((text) => (text ? [cut(text, 1000)] : []));
};
const colorOf = ({ level }: Notice): string => (level === 'OK' ? 'good' : level === 'WARNING' ? 'warning' : 'danger');

/** A device calls nobody together by what it writes: neither `<!channel>` nor `@channel` is one. */
const plain = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('@', '@\u200b');
const markdown = (text: string): string => text.replaceAll(/[\\`*_[\]<>#]/g, String.raw`\$&`);
