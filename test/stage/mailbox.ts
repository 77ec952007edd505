// A mail server with one mailbox for all: real SMTP, and what came is there to be read.
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface Letter {
  readonly from: string;
  /** Who it was handed in for: the envelope, which Bcc is only in. */
  readonly to: readonly string[];
  readonly subject: string;
  readonly headers: string;
  /** All parts, decoded. */
  readonly body: string;
}

export class Mailbox implements AsyncDisposable {
  readonly letters: Letter[] = [];
  /** What it says to the next letters, in place of taking them. */
  readonly refusals: { code: number; text: string }[] = [];
  readonly #server: SMTPServer;
  #heard: () => void = () => undefined;

  private constructor() {
    this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const refusal = this.refusals.shift();
          if (refusal) return done(Object.assign(new Error(refusal.text), { responseCode: refusal.code }));
          const { mailFrom, rcptTo } = session.envelope;
          this.letters.push({
            from: mailFrom ? mailFrom.address : '',
            to: rcptTo.map(({ address }) => address),
            ...parsed(Buffer.concat(chunks).toString('latin1')),
          });
          done();
          this.#heard();
        });
      },
    });
    // A server that is killed leaves its connection as it is.
    this.#server.on('error', () => undefined);
  }

  static async open(port = 0): Promise<Mailbox> {
    const mailbox = new Mailbox();
    await new Promise<void>((resolve) => mailbox.#server.listen(port, '127.0.0.1', resolve));
    return mailbox;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** All letters, once there are as many. */
  async until(count: number): Promise<readonly Letter[]> {
    while (this.letters.length < count) await new Promise<void>((resolve) => (this.#heard = resolve));
    return this.letters;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(resolve));
  }
}

function parsed(raw: string): Pick<Letter, 'subject' | 'headers' | 'body'> {
  const at = raw.indexOf('\r\n\r\n');
  const headers = raw.slice(0, at).replaceAll(/\r\n[ \t]+/g, ' ');
  const subject = /^Subject: (.*)$/im.exec(headers)?.[1] ?? '';
  return { headers, subject: wordsOf(subject), body: partsOf(raw.slice(at + 4)) };
}

/** RFC 2047. */
const wordsOf = (text: string): string =>
  text
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_, kind: string, word: string) =>
      kind.toLowerCase() === 'b' ? Buffer.from(word, 'base64').toString() : quoted(word.replaceAll('_', ' ')),
    );

function partsOf(body: string): string {
  return body
    .split(/\r\n--[^\r\n]+(?:\r\n|$)/)
    .map((part) => {
      const at = part.indexOf('\r\n\r\n');
      const head = part.slice(0, at);
      const text = part.slice(at + 4);
      if (/encoding: base64/i.test(head)) return Buffer.from(text, 'base64').toString();
      return /encoding: quoted-printable/i.test(head) ? quoted(text) : Buffer.from(text, 'latin1').toString();
    })
    .join('\n');
}

const quoted = (text: string): string =>
  Buffer.from(
    text
      .replaceAll('=\r\n', '')
      .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString();
