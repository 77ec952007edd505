import { CodedError } from '#base/errors';

/** The device says no, in words that travel as they are. `status`: what it is in HTTP, where the words alone do not tell. */
export class Refusal extends CodedError {
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super('refused', message);
    this.status = status;
  }
}

/** A limit of the device's owner. */
export const denied = (reason: string): Refusal => new Refusal(`access denied: ${reason}`);

export const exhausted = 'transmitted bytes limit exhausted';
