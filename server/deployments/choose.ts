import { dependsMismatch, type ArtifactHeader } from '#artifact';
import type { Artifact } from '#proto/http/deployments';

/** What a device says of itself when it asks for work. */
export interface Asker {
  readonly artifactName: string;
  readonly deviceType: string;
  /** All that it provides; undefined: it asked in a way that does not tell (GET). */
  readonly provides?: Readonly<Record<string, string>>;
}

export type Choice =
  | { readonly artifact: Artifact }
  | { readonly installed: true }
  /** Nothing fits; `reason` in words for a person, at most 200 characters. */
  | { readonly reason: string };

/** A substate that a device sends may not be longer either (`server-api.md` §1.3). */
const reasonLimit = 200;

/**
 * Which artifact of a release a device gets: of those for its type whose depends it provides, the smallest
 * (`server-api.md` §3.3, `artifact-format.md` §9). `force`: also if it says that it has it already.
 */
export function choose(artifacts: readonly Artifact[], asker: Asker, force: boolean): Choice {
  const ofType = artifacts.filter(({ device_types_compatible: types }) => types.includes(asker.deviceType));
  if (ofType.length === 0) return { reason: cut(typeReason(artifacts, asker)) };
  // Before the depends are looked at: one of them may well be the version that it was updated from.
  if (!force && ofType.some(({ name }) => name === asker.artifactName)) return { installed: true };
  const judged = ofType.map((artifact) => ({ artifact, mismatch: mismatchOf(artifact, asker) }));
  const fitting = judged.filter(({ mismatch }) => mismatch === undefined).map(({ artifact }) => artifact);
  const [best] = fitting.sort((a, b) => a.size - b.size || (a.id < b.id ? -1 : 1));
  if (best) return { artifact: best };
  const first = judged[0];
  return { reason: cut(`artifact ${first?.artifact.name} ${first?.mismatch}`) };
}

function typeReason(artifacts: readonly Artifact[], { deviceType }: Asker): string {
  const [first] = artifacts;
  if (!first) return 'the release has no artifact any more';
  const types = [...new Set(artifacts.flatMap((artifact) => artifact.device_types_compatible))];
  return `release ${first.name} is for ${types.join(', ')}, but the device is a ${deviceType}`;
}

function mismatchOf(artifact: Artifact, asker: Asker): string | undefined {
  const provides = { ...asker.provides, artifact_name: asker.artifactName };
  // A device that did not say what it provides is asked for no more than it said.
  const known = asker.provides
    ? artifact.artifact_depends
    : Object.fromEntries(Object.entries(artifact.artifact_depends).filter(([key]) => Object.hasOwn(provides, key)));
  return dependsMismatch(headerOf(artifact, known), { device_type: asker.deviceType, provides });
}

/** As much of a header as its depends need. */
function headerOf(artifact: Artifact, depends: Artifact['artifact_depends']): ArtifactHeader {
  const { device_type: _, ...others } = depends;
  return {
    format: 'mender',
    version: 3,
    name: artifact.name,
    depends: { device_type: artifact.device_types_compatible },
    scripts: [],
    payload: { type: null, provides: {}, depends: others, files: [] },
    signed: artifact.signed,
    verified: false,
    augmented: false,
  };
}

const cut = (text: string): string => (text.length > reasonLimit ? `${text.slice(0, reasonLimit - 1)}…` : text);
