// In this order: a browser names its ancestors too.
const browsers: readonly (readonly [RegExp, string])[] = [
  [/^patchbay\//i, 'patchbay command'],
  [/^mender-cli/i, 'mender-cli'],
  [/^Go-http-client\//, 'a Go program such as mender-cli'],
  [/^curl\//, 'curl'],
  [/^python-requests\/|^Python-urllib\//, 'a Python program'],
  [/^node$|^undici/, 'a Node.js program'],
  [/\bEdg\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\//, 'Firefox'],
  [/\b(Headless)?Chrom(e|ium)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(iPhone|iPad)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bDarwin\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/i, 'Linux'],
];

/** A user agent in a person's words: `Firefox on Linux`, `patchbay command on Linux`. */
export function clientOf(userAgent: string | undefined): string {
  if (!userAgent) return 'unknown';
  const name =
    browsers.find(([shape]) => shape.test(userAgent))?.[1] ?? /^[\w .-]{1,40}/.exec(userAgent)?.[0] ?? 'unknown';
  const system = systems.find(([shape]) => shape.test(userAgent))?.[1];
  return system ? `${name} on ${system}` : name;
}
