/** The mark: four jacks of a panel and the one cord that joins two of them. */
export function Mark({ size = 28 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden focusable={false}>
      <rect width="32" height="32" rx="8" fill="#232d35" />
      <g fill="none" stroke="#8fa3ad" strokeWidth="2">
        <circle cx="9" cy="10" r="3.2" />
        <circle cx="23" cy="10" r="3.2" />
        <circle cx="9" cy="22" r="3.2" />
        <circle cx="23" cy="22" r="3.2" />
      </g>
      <path d="M9 10c0 9 14 3 14 12" fill="none" stroke="#f0a83c" strokeWidth="2.6" strokeLinecap="round" />
      <circle cx="9" cy="10" r="2.2" fill="#f0a83c" />
      <circle cx="23" cy="22" r="2.2" fill="#f0a83c" />
    </svg>
  );
}
