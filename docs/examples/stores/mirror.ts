// SPDX-License-Identifier: Apache-2.0
// Example: two storages with the same bytes. One may fail: the other goes on alone, and what it misses is copied later.
import type { CallOptions, ObjectStorage } from 'lunkit/target'

const REGION = 64 * 1024

type Side = Required<Pick<ObjectStorage, 'size' | 'read' | 'write'>>

export interface Mirror extends ObjectStorage {
  /** Which side is out, or -1; and regions that it misses. */
  readonly state: { readonly out: number; readonly missing: number }
  /** Brings the side back that was out. Rejects where it fails again. */
  resync(): Promise<void>
}

export function mirror(...sides: readonly [Side, Side]): Mirror {
  const missing = new Set<number>()
  let out = -1
  /** Changes, one after the other while a side is out, so that none slips past the copying. */
  let last: Promise<unknown> = Promise.resolve()
  const never: CallOptions = { signal: new AbortController().signal }

  async function write(offset: number, buffer: Buffer, options: CallOptions): Promise<void> {
    const results = await Promise.allSettled(
      sides.map(async (side, i) => i !== out && (await side.write(offset, buffer, options))),
    )
    const failed = results.findIndex(({ status }) => status === 'rejected')
    if (failed >= 0 && (out >= 0 || results.every(({ status }) => status === 'rejected'))) {
      throw (results[failed] as PromiseRejectedResult).reason
    }
    if (failed >= 0) out = failed
    if (out < 0) return
    for (let at = offset - (offset % REGION); at < offset + buffer.length; at += REGION) missing.add(at)
  }

  return {
    size: Math.min(sides[0].size, sides[1].size),
    get state() {
      return { out, missing: missing.size }
    },
    async read(offset, buffer, options) {
      const first = out === 0 ? 1 : 0
      try {
        return await sides[first]!.read(offset, buffer, options)
      } catch (error) {
        if (out >= 0) throw error
        return sides[1 - first]!.read(offset, buffer.fill(0), options)
      }
    },
    write(offset, buffer, options) {
      const next = last.catch(() => {}).then(() => write(offset, buffer, options))
      last = next
      return next
    },
    async resync() {
      const next = last
        .catch(() => {})
        .then(async () => {
          for (const at of missing) {
            const bytes = Buffer.alloc(Math.min(REGION, this.size - at))
            await sides[1 - out]!.read(at, bytes, never)
            await sides[out]!.write(at, bytes, never)
            missing.delete(at)
          }
          out = -1
        })
      last = next
      await next
    },
  }
}
