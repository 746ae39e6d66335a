// SPDX-License-Identifier: Apache-2.0
// Memory that a driver has received data into, and that it uses again when nobody looks at that data any more.

/** A hold on such memory. It MUST be ended once, by either call. */
export interface Lease {
  /** The memory may be used again: nobody reads it for this lease any more. */
  giveBack(): void
  /** Somebody may still read it, and nobody can tell until when: it is never used again. */
  abandon(): void
}
