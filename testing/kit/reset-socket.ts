// SPDX-License-Identifier: Apache-2.0
// Ends a TCP connection with a reset, in whatever state it is.
import type { Socket } from 'node:net'

/**
 * Resets a connection. While a shutdown is under way the system call is refused, and Node then loses the descriptor
 * without closing it, which keeps the process alive for ever: such a connection is closed instead.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
