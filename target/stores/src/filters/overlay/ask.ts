// SPDX-License-Identifier: Apache-2.0
// One request to a store from the overlay itself, as a promise: beside the road of commands.
import { type BackingStore, BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'

interface Asked {
  readonly offset?: number
  readonly length?: number
  readonly bytes?: Buffer
  /** A write is durable when it is answered. */
  readonly forced?: boolean
}

/** Resolves to the request, whatever its error. */
export function ask(
  store: BackingStore,
  call: 'read' | 'write' | 'flush' | 'map' | 'writeZeroes',
  { offset = 0, bytes, length = bytes?.length ?? 0, forced = false }: Asked = {},
): Promise<StoreIo> {
  return new Promise(resolve => {
    const fault = ({ io }: Task): void => {
      io.error = StoreError.internal
      resolve(io)
    }
    const { io } = new Task(new BufferPool(0), () => {}, fault)
    io.offset = offset
    io.length = length
    io.forceUnitAccess = forced
    if (bytes !== undefined) io.segments.push(bytes)
    io.onFinish = () => resolve(io)
    store[call]!(io)
  })
}
