// SPDX-License-Identifier: Apache-2.0
// A socket that goes to another process: nothing is read of it here any more, and it is closed here in the end.
import type { Socket } from 'node:net'
import { SlabSocket } from '../receive/slab-socket.ts'

/** What a socket reads by. Node does not show it. */
interface Handle {
  reading: boolean
  readStop(): number
  close(): void
}

/**
 * To be called in the same turn as the sending of the socket. Whatever came later would be lost, and `pause()` lets one more
 * read through. Gives what closes the socket here if the other process ends before it has taken it: Node closes it only once
 * it was taken, so that the peer would wait in vain.
 */
export function partWith(socket: Socket): () => void {
  const { _handle: handle } = socket as unknown as { readonly _handle: Handle | null }
  if (handle === null) return () => undefined
  handle.reading = false
  handle.readStop()
  if (socket instanceof SlabSocket) socket.leave()
  return () => handle.close()
}
