/** Levels that a check may be asked to have when it is bad; the others are what it comes to. Alone, so that no schema is loaded with it. */
export const wanted = ['WARNING', 'CRITICAL'] as const;
export type Wanted = (typeof wanted)[number];
