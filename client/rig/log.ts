import { EventEmitter, once } from 'node:events';
import type { Log } from '#base/log';

interface Line {
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that a test can wait on. */
export class RigLog extends EventEmitter<{ line: [Line] }> implements Log {
  readonly lines: Line[] = [];
  #add(level: string, event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const line = { level, event, fields };
    this.lines.push(line);
    this.emit('line', line);
  }
  debug = (event: string, fields?: Readonly<Record<string, unknown>>) => this.#add('debug', event, fields);
  info = (event: string, fields?: Readonly<Record<string, unknown>>) => this.#add('info', event, fields);
  warn = (event: string, fields?: Readonly<Record<string, unknown>>) => this.#add('warn', event, fields);
  error = (event: string, fields?: Readonly<Record<string, unknown>>) => this.#add('error', event, fields);
  child = (): Log => this;

  /** Waits for a line with this event and, if given, this name among its fields; those in the past included. */
  async until(event: string, name?: string): Promise<Line> {
    for (;;) {
      const line = this.lines.find(
        (candidate) => candidate.event === event && (name === undefined || candidate.fields['name'] === name),
      );
      if (line) return line;
      await once(this, 'line');
    }
  }
  text(): string {
    return this.lines.map(({ level, event, fields }) => `${level} ${event} ${JSON.stringify(fields)}`).join('\n');
  }
}
