import { CodedError } from '#base/errors';
import { runChild } from '../child.ts';
import { parseKeyValues, sortedValues } from '../key-values.ts';

/**
 * The text of `id_data`: what the identity script says, as a JSON object with sorted keys. The server knows the device
 * by exactly this, so two runs must give the same bytes. Throws `identity`.
 */
export async function identityData(script: string, signal: AbortSignal): Promise<string> {
  const ended = await runChild({ file: script, timeout: 60_000, signal });
  if (ended.error) throw new CodedError('identity', `cannot run identity script ${script}: ${ended.error.message}`);
  if (ended.code !== 0)
    throw new CodedError(
      'identity',
      `identity script ${script} ${ended.timedOut ? 'took too long' : `ended with ${ended.code ?? ended.signal}`}`,
    );
  const values = parseKeyValues(ended.output);
  if (values.size === 0) throw new CodedError('identity', `identity script ${script} said nothing`);
  return JSON.stringify(Object.fromEntries(sortedValues(values)));
}
