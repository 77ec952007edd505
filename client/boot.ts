import { readFileSync } from 'node:fs';

/** Which boot of the machine this is: another text after each restart. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
