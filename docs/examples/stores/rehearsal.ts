// SPDX-License-Identifier: Apache-2.0
// Example: a storage whose faults are rehearsed by a function, for tests of what stands above it.
import type { ObjectStorage } from 'lunkit/target'

export interface Call {
  readonly name: 'read' | 'write'
  readonly offset: number
  readonly length: number
  /** How many there were before. */
  readonly count: number
}

/** A code such as EIO or ENOSPC, milliseconds to wait first, or nothing. */
export type Script = (call: Call) => string | number | undefined

export function rehearsed(storage: ObjectStorage, script: Script): ObjectStorage {
  let count = 0
  const act = async (name: Call['name'], offset: number, length: number, signal: AbortSignal) => {
    const told = script({ name, offset, length, count: count++ })
    if (typeof told === 'string') throw Object.assign(new Error(`rehearsed ${told}`), { code: told })
    if (told !== undefined) await pause(told, signal)
  }
  return {
    size: storage.size,
    async read(offset, buffer, options) {
      await act('read', offset, buffer.length, options.signal)
      return storage.read(offset, buffer, options)
    },
    ...(storage.write !== undefined && {
      async write(offset, buffer, options) {
        await act('write', offset, buffer.length, options.signal)
        return storage.write!(offset, buffer, options)
      },
    }),
  }
}

/** Ends early with the signal's reason when the command is given up. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
}
