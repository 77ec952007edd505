import { createTransport } from 'nodemailer';
import type { Mail } from '#addon/server';

export interface MailConfig {
  /** `smtp://USER:PASSWORD@HOST:PORT`: STARTTLS where the server offers it; `smtps://`: TLS from the first byte. */
  readonly url: string;
  readonly from: string;
}

/** ms for each step with the mail server: one that hangs holds up an e-mail no longer than this. */
const patience = 15_000;

/** E-mails by SMTP, over at most three connections that are kept while there is something to send. */
export function openMail({ url, from }: MailConfig): Mail & { close(): void } {
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: 3,
    connectionTimeout: patience,
    greetingTimeout: patience,
    socketTimeout: patience,
    dnsTimeout: patience,
    // What is in an e-mail is text from devices: it names no files and no addresses to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = /@([^>\s]+)/.exec(from)?.[1] ?? 'localhost';
  return {
    from,
    async send({ id, bcc, subject, text, html }) {
      await transport.sendMail({
        from,
        bcc: [...bcc],
        subject,
        text,
        html,
        // The same again, after a stop in between, can be told by it.
        messageId: `<${id}@${domain}>`,
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      });
    },
    close: () => transport.close(),
  };
}
