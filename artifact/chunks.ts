/** Bytes in several pieces at a time: a file takes all pieces of one turn by one call. They are gone when the next turn comes. */
export type Chunks = AsyncGenerator<readonly Uint8Array[], void, undefined>;
