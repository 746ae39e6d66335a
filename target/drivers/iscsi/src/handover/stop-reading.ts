// SPDX-License-Identifier: Apache-2.0
// The end of reading a socket that goes to another process: whatever came later would be lost here.
import type { Socket } from 'node:net'
import { SlabSocket } from '../receive/slab-socket.ts'

/** What a socket reads by; Node does not show it, and `pause()` lets one more read through. */
interface Reader {
  reading: boolean
  readStop(): number
}

/** To be called in the same turn as the sending of the socket. */
export function stopReading(socket: Socket): void {
  const { _handle: reader } = socket as unknown as { readonly _handle: Reader | null }
  if (reader === null) return
  reader.reading = false
  reader.readStop()
  if (socket instanceof SlabSocket) socket.leave()
}
