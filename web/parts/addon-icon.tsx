import type { AddonIcon as Name } from '#addon/manifest';
import {
  IconAdjustmentsHorizontal,
  IconBell,
  IconChartLine,
  IconFiles,
  IconGauge,
  IconLayoutDashboard,
  IconMap,
  IconPlugConnected,
  IconPuzzle,
  IconTerminal2,
} from './icons.ts';

const pictures = {
  bell: IconBell,
  chart: IconChartLine,
  dashboard: IconLayoutDashboard,
  files: IconFiles,
  gauge: IconGauge,
  map: IconMap,
  plug: IconPlugConnected,
  puzzle: IconPuzzle,
  sliders: IconAdjustmentsHorizontal,
  terminal: IconTerminal2,
} as const satisfies Record<Name, unknown>;

/** The picture that an add-on chose, beside the words for it. */
export function AddonIcon({ name = 'puzzle', size }: { readonly name: Name | undefined; readonly size: number }) {
  const Picture = pictures[name];
  return <Picture size={size} stroke={size > 16 ? 1.6 : 2} aria-hidden />;
}
