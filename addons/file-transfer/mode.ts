/** Kinds of files and special bits, as Go's `FileMode` has them and as POSIX has them. */
const kinds = {
  folder: { go: 2 ** 31, posix: 0o040000 },
  symlink: { go: 1 << 27, posix: 0o120000 },
  device: { go: 1 << 26, posix: 0o060000 },
  fifo: { go: 1 << 25, posix: 0o010000 },
  socket: { go: 1 << 24, posix: 0o140000 },
  character: { go: (1 << 26) | (1 << 21), posix: 0o020000 },
} as const;
const special = [
  { go: 1 << 23, posix: 0o4000 },
  { go: 1 << 22, posix: 0o2000 },
  { go: 1 << 20, posix: 0o1000 },
] as const;

export const goSetuid = 1 << 23;
export const posixSetuid = 0o4000;

/** The mode of a file as it travels. */
export function goMode({ mode }: { readonly mode: number }): number {
  const kind = Object.values(kinds).find(({ posix }) => (mode & 0o170000) === posix);
  const bits = special.reduce((sum, { go, posix }) => sum + (mode & posix ? go : 0), mode & 0o777);
  return bits + (kind?.go ?? 0);
}

export const isFolderMode = (mode: number): boolean => mode >= kinds.folder.go;
export const isSymlinkMode = (mode: number): boolean => (mode & kinds.symlink.go) !== 0;
/** A regular file: none of the bits that name another kind. */
export const isRegularMode = (mode: number): boolean =>
  !isFolderMode(mode) && (mode & (kinds.symlink.go | kinds.device.go | kinds.fifo.go | kinds.socket.go)) === 0;

/** `rwxr-x---`, as `ls` shows it. */
export const modeText = (mode: number): string =>
  [6, 3, 0]
    .map((shift) => 'rwx'.replaceAll(/./g, (letter, at: number) => ((mode >> (shift + 2 - at)) & 1 ? letter : '-')))
    .join('');
