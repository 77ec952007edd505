import { readFileSync } from 'node:fs';
import { CodedError, messageOf } from '#base/errors';

/** The device type of its file: exactly one line `device_type=VALUE`. Throws `device_type`. */
export function readDeviceType(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CodedError(
      'device_type',
      `the device has no type, write device_type=VALUE into ${file}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const match = /^device_type=(.+)$/.exec(lines[0] ?? '');
  if (lines.length !== 1 || !match?.[1])
    throw new CodedError('device_type', `${file} must hold one line device_type=VALUE, and nothing else`);
  return match[1];
}
