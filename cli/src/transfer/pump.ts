// SPDX-License-Identifier: Apache-2.0
// Moves bytes from a source to a sink, several pieces at once where both allow it.
import type { Sink, Source } from './endpoint.ts'

export interface PumpOptions {
  readonly from: number
  readonly to: number
  /** Bytes to move; null until the source ends. */
  readonly length: number | null
  readonly signal: AbortSignal
  readonly onBytes: (bytes: number) => void
}

const PIECE = 1 << 20
const PIECES_AT_ONCE = 8

/** Resolves to the number of bytes moved, when they are durable at the sink. */
export async function pump(source: Source, sink: Sink, options: PumpOptions): Promise<number> {
  const { from, to, length, signal, onBytes } = options
  const parallel = source.random && sink.random
  const end = length ?? Number.POSITIVE_INFINITY
  let next = 0
  let moved = 0
  let failed = false
  const worker = async (): Promise<void> => {
    const buffer = Buffer.alloc(PIECE)
    while (next < end && !failed) {
      signal.throwIfAborted()
      const at = next
      // Pieces end where whole pieces of the sink do, so that no two of them share a block.
      const wanted = Math.min(PIECE - ((to + at) % PIECE), end - at)
      next += wanted
      const bytes = await source.read(from + at, buffer.subarray(0, wanted))
      const piece = buffer.subarray(0, bytes)
      if (bytes > 0 && !(sink.zeroed && isZero(piece))) await sink.write(to + at, piece)
      moved += bytes
      onBytes(bytes)
      if (bytes < wanted) {
        next = Number.POSITIVE_INFINITY
        if (length !== null) throw new Error(`${source.label} ended after ${moved} of ${length} bytes`)
      }
    }
  }
  const workers = Array.from({ length: parallel ? PIECES_AT_ONCE : 1 }, () =>
    worker().catch(error => {
      failed = true
      throw error
    }),
  )
  const results = await Promise.allSettled(workers)
  const bad = results.find(result => result.status === 'rejected')
  if (bad !== undefined) throw bad.reason
  await sink.finish(to + moved)
  return moved
}

const ZEROS = Buffer.alloc(PIECE)
const isZero = (bytes: Buffer): boolean => bytes.equals(ZEROS.subarray(0, bytes.length))
