import { mergedPayload, type ArtifactHeader, type PayloadFile } from '#artifact';

/** A payload file as it was read; its content apart. */
export type FileFacts = Pick<PayloadFile, 'name' | 'size' | 'modified' | 'checksum'>;

/** The description that `read` prints, in the layout of mender-artifact 4, line by line. */
export function describe(header: ArtifactHeader, signature: string, files: readonly FileFacts[]): string {
  const { type, provides, depends, clears, metaData } = mergedPayload(header);
  return [
    'Mender Artifact:',
    `  Name: ${header.name}`,
    '  Format: mender',
    `  Version: ${header.version}`,
    `  Signature: ${signature}`,
    `  Compatible types: ${inBrackets(header.depends.device_type)}`,
    ...(header.version === 2 ? [] : groups(header)),
    `  State scripts:${header.scripts.length ? '' : ' []'}`,
    ...header.scripts.map(({ name }) => `    - ${name}`),
    '',
    'Updates:',
    `  - Type: ${type ?? 'Empty type'}`,
    ...map('Provides', provides),
    ...map('Depends', depends),
    ...(clears ? [`    Clears Provides: ${inBrackets(clears)}`] : []),
    ...meta(metaData),
    `    Files:${files.length ? '' : ' []'}`,
    ...files.flatMap(fileLines),
    '',
  ].join('\n');
}

function groups({ group, depends }: ArtifactHeader): string[] {
  return [
    `  Provides group: ${group ?? ''}`.trimEnd(),
    `  Depends on one of artifact(s): ${inBrackets(depends.artifact_name ?? [])}`,
    `  Depends on one of group(s): ${inBrackets(depends.artifact_group ?? [])}`,
  ];
}

function map(title: string, entries: Readonly<Record<string, string | readonly string[]>>): string[] {
  const lines = Object.keys(entries)
    .sort()
    .map((key) => `      ${key}: ${text(entries[key] ?? '')}`);
  return [`    ${title}:${lines.length ? '' : ' {}'}`, ...lines];
}

function meta(metaData: Readonly<Record<string, unknown>> | undefined): string[] {
  if (!metaData || Object.keys(metaData).length === 0) return ['    Metadata: {}'];
  return [
    '    Metadata:',
    ...JSON.stringify(metaData, null, 2)
      .split('\n')
      .map((line) => `      ${line}`),
  ];
}

/** A tar may hold any number for a time, a date may not. */
function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString().replace('T', ' ').replace('.000Z', ' +0000 UTC');
}

function fileLines({ name, size, modified, checksum }: FileFacts): string[] {
  const time = timeOf(modified);
  return [
    `      - checksum: ${checksum}`,
    `        modified: ${time}`,
    `        name: ${name}`,
    `        size: ${size}`,
  ];
}

const inBrackets = (values: readonly string[]): string => `[${values.join(', ')}]`;
const text = (value: string | readonly string[]): string => (typeof value === 'string' ? value : inBrackets(value));
