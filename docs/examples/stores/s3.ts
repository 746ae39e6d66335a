// SPDX-License-Identifier: Apache-2.0
// Example: a disk of many objects, in S3 or anything like it: one object for each piece that was written.
import type { ObjectStorage } from 'lunkit/target'

/** What it needs of an S3 client, whichever it is. With `@aws-sdk/client-s3`, each is one command. */
export interface Objects {
  /** Null where there is no such object. */
  get(key: string, signal: AbortSignal): Promise<Uint8Array | null>
  put(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>
  delete(key: string, signal: AbortSignal): Promise<void>
}

const PIECE = 1024 * 1024

export function objectDisk(objects: Objects, prefix: string, size: number): ObjectStorage {
  /** The last change of each piece: the next one begins when it has ended. */
  const changes = new Map<number, Promise<unknown>>()
  const keyOf = (piece: number): string => `${prefix}/${String(piece).padStart(10, '0')}`

  /** Cuts a range into its pieces: number, start within the piece, bytes, and where they are in the range. */
  function* cut(offset: number, length: number): Generator<[number, number, number, number]> {
    for (let at = 0; at < length; ) {
      const start = (offset + at) % PIECE
      const bytes = Math.min(PIECE - start, length - at)
      yield [Math.floor((offset + at) / PIECE), start, bytes, at]
      at += bytes
    }
  }

  function change(piece: number, act: () => Promise<void>): Promise<void> {
    const next = (changes.get(piece) ?? Promise.resolve()).catch(() => {}).then(act)
    changes.set(piece, next)
    const forget = (): void => void (changes.get(piece) === next && changes.delete(piece))
    next.then(forget, forget)
    return next
  }

  /** Bytes for a range, or zeros for null; a piece of zeros is no object. */
  const put = (offset: number, length: number, from: Buffer | null, signal: AbortSignal): Promise<unknown> =>
    Promise.all(
      [...cut(offset, length)].map(([piece, start, bytes, at]) =>
        change(piece, async () => {
          if (from === null && bytes === PIECE) return objects.delete(keyOf(piece), signal)
          const next = Buffer.alloc(PIECE)
          if (bytes < PIECE) next.set((await objects.get(keyOf(piece), signal)) ?? [])
          if (from === null) next.fill(0, start, start + bytes)
          else from.copy(next, start, at, at + bytes)
          await objects.put(keyOf(piece), next, signal)
        }),
      ),
    )

  return {
    size,
    identity: `objects:${prefix}`,
    preferredBlock: PIECE,
    discardedReadsZero: true,
    async read(offset, buffer, { signal }) {
      const parts = [...cut(offset, buffer.length)].map(async ([piece, start, bytes, at]) => {
        const held = await objects.get(keyOf(piece), signal)
        if (held !== null) buffer.set(held.subarray(start, start + bytes), at)
      })
      await Promise.all(parts)
    },
    write: async (offset, buffer, { signal }) => void (await put(offset, buffer.length, buffer, signal)),
    discard: async (offset, length, { signal }) => void (await put(offset, length, null, signal)),
  }
}
