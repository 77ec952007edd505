import type { CliHost } from '#addon/cli';

/** From here on all devices are asked for at once. */
const few = 8;

/** What people call these devices; the id of one that is not found. */
export async function namesOf(
  host: Pick<CliHost, 'resolveDevice' | 'findDevices'>,
  ids: Iterable<string>,
): Promise<(id: string) => string> {
  const wanted = [...new Set(ids)];
  const names = new Map<string, string>();
  if (wanted.length <= few)
    await Promise.all(
      wanted.map(async (id) => {
        const { name } = await host.resolveDevice(id).catch(() => ({ name: id }));
        names.set(id, name);
      }),
    );
  else for (const { id, name } of await host.findDevices({ names: [] })) names.set(id, name);
  return (id) => names.get(id) ?? id;
}
