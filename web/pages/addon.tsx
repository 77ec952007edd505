import { useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useWebAddons, type WebAddon } from '../addons.ts';
import { onChanges } from '../api/addon-changes.ts';
import { searchInventory } from '../api/inventory.ts';
import { useDenied } from '../api/users.ts';
import { nameOfKnown } from '../device-name.ts';
import { AddonPlace, type Mount } from '../parts/addon-place.tsx';
import { Empty } from '../parts/empty.tsx';
import { IconLock, IconMapOff } from '../parts/icons.ts';
import { Page } from '../parts/page.tsx';

/** Devices whose names are asked for at once. */
const portion = 500;

/** A page of an add-on's own. */
export function AddonPage() {
  const { addonId } = useParams({ from: '/inside/addons/$addonId' });
  const addon = useWebAddons().find(({ id, manifest }) => id === addonId && manifest.page);
  if (addon) return <Own key={addonId} addon={addon} />;
  return (
    <Page title="Add-on">
      <Empty icon={<IconMapOff size={34} stroke={1.4} />} title="There is no such page">
        No add-on of this server has it.
      </Empty>
    </Page>
  );
}

function Own({ addon }: { readonly addon: WebAddon }) {
  const { page } = addon.manifest;
  const title = page?.title ?? addon.title;
  const denied = useDenied(page?.permission);
  const query = useSearch({ from: '/inside/addons/$addonId' });
  const navigate = useNavigate({ from: '/addons/$addonId' });
  const client = useQueryClient();
  const mount: Mount = (half, element, lent) => {
    if (!half.page) throw new Error('its module draws no page');
    return half.page(element, {
      ...lent,
      get theme() {
        return lent.theme;
      },
      query,
      keep: (kept) => void navigate({ search: kept, replace: true, resetScroll: false }),
      onChanged: (listener) => onChanges(client, addon.id, listener),
      async namesOf(ids) {
        const names = new Map<string, string>();
        for (let at = 0; at < ids.length; at += portion) {
          const some = ids.slice(at, at + portion);
          const { items } = await searchInventory({ device_ids: some, per_page: portion });
          for (const device of items) names.set(device.id, nameOfKnown(device));
        }
        return names;
      },
    });
  };
  return (
    <Page title={title}>
      {denied ? (
        <Empty icon={<IconLock size={34} stroke={1.4} />} title={`No ${title.toLowerCase()} for your role`}>
          {denied}
        </Empty>
      ) : (
        <AddonPlace addon={addon} mount={mount} className="addon-page" />
      )}
    </Page>
  );
}
