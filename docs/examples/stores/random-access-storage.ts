// SPDX-License-Identifier: Apache-2.0
// Example: anything with the interface of random-access-storage (files, memory, browsers, peer-to-peer) as a disk.
import type { ObjectStorage } from 'lunkit/target'

type Done = (error: Error | null) => void

/** As much of the interface as a disk needs; what is there is used. */
export interface RandomAccess {
  read(offset: number, size: number, done: (error: Error | null, bytes?: Uint8Array) => void): void
  write?(offset: number, bytes: Uint8Array, done: Done): void
  del?(offset: number, size: number, done: Done): void
  stat(done: (error: Error | null, stat?: { size: number }) => void): void
  close?(done: Done): void
}

/** What was never written is not there for it, and zeros for a disk. */
export async function randomAccessDisk(storage: RandomAccess, size: number): Promise<ObjectStorage> {
  const ask = <T>(call: (done: (error: Error | null, value?: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value as T))))
  const end = await ask<{ size: number }>(done => storage.stat(done)).then(
    stat => stat.size,
    () => 0,
  )
  let written = end
  return {
    size,
    async read(offset, buffer) {
      const length = Math.min(buffer.length, Math.max(written - offset, 0))
      if (length > 0) buffer.set(await ask<Uint8Array>(done => storage.read(offset, length, done)))
    },
    ...(storage.write !== undefined && {
      async write(offset: number, bytes: Buffer) {
        // Some cannot leave a hole.
        if (offset > written) {
          await ask(done => storage.write!(written, Buffer.alloc(offset - written), done))
        }
        await ask(done => storage.write!(offset, bytes, done))
        written = Math.max(written, offset + bytes.length)
      },
    }),
    close: () => (storage.close === undefined ? undefined : ask<void>(done => storage.close!(done))),
  }
}
