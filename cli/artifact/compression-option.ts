import { Option } from 'commander';
import type { ArtifactSpec } from '#artifact';

/** What users call the compressions, and how hard each tries. */
const names: Readonly<Record<string, Pick<ArtifactSpec, 'compression' | 'compressionLevel'>>> = {
  none: { compression: 'none' },
  gzip: { compression: 'gzip' },
  gzip_best: { compression: 'gzip', compressionLevel: 9 },
  lzma: { compression: 'lzma' },
  zstd_fastest: { compression: 'zstd', compressionLevel: 1 },
  zstd_fast: { compression: 'zstd', compressionLevel: 3 },
  zstd_better: { compression: 'zstd', compressionLevel: 7 },
  zstd_best: { compression: 'zstd', compressionLevel: 15 },
  zstd: { compression: 'zstd', compressionLevel: 3 },
};

/** `otherwise` says what holds when the option is not given. */
export const compressionOption = (otherwise: string): Option =>
  new Option('--compression <name>', `how to compress; default: ${otherwise}`).choices(Object.keys(names));

export function compressionOf(name: string | undefined): Pick<ArtifactSpec, 'compression' | 'compressionLevel'> {
  return names[name ?? 'gzip'] ?? {};
}
