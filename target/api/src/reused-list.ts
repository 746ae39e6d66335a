// SPDX-License-Identifier: Apache-2.0
// Emptying a list that is filled again for the next command, without garbage.

/** Takes everything out and keeps the room: `length = 0` would give it up, and the next push allocate it anew. */
export function empty(list: unknown[]): void {
  while (list.length > 0) list.pop()
}
