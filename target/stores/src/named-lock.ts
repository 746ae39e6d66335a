// SPDX-License-Identifier: Apache-2.0
// Locks by name among all lunkits of this machine: names that the kernel holds for the process and frees when it dies.
import net from 'node:net'
import { OperatorError } from '@lunkit/target-api'

/** So many may read at once. */
const READERS = 64
const ASK_MS = 500

/**
 * Takes the lock of that name, of up to 80 printable characters: one writer, or several readers, in other processes and in this one.
 * Rejects with `inUse` of the owner's process id (null or empty: not known). Resolves to what frees it.
 *
 * The lock is an abstract Unix socket (unix(7)): nothing is left behind in any file
 * system when a process is killed. A writer takes the one name and then looks for readers; a reader takes one
 * of the readers' names and then looks for a writer. Each listens before it looks, so that no two can miss each other.
 */
export async function lockName(
  of: string,
  shared: boolean,
  inUse: (owner: string | null) => OperatorError,
): Promise<() => Promise<void>> {
  const name = `\0${of}`
  if (!shared) {
    const server = await listen(name)
    if (server === null) throw inUse(await ask(name))
    for (let slot = 0; slot < READERS; slot++) {
      const reader = await ask(`${name}-reader-${slot}`)
      if (reader !== null) {
        await stop(server)
        throw inUse(reader)
      }
    }
    return () => stop(server)
  }
  for (let slot = 0; slot < READERS; slot++) {
    const server = await listen(`${name}-reader-${slot}`)
    if (server === null) continue
    const writer = await ask(name)
    if (writer === null) return () => stop(server)
    await stop(server)
    throw inUse(writer)
  }
  throw inUse('')
}

/** Who has it, in words. */
export function ownerInWords(owner: string | null): string {
  if (owner === String(process.pid)) return 'another unit of this lunkit'
  return owner ? `another lunkit (pid ${owner})` : 'another lunkit'
}

/** Takes the name, or null if it is taken. Whoever connects is told the process's id. */
function listen(name: string): Promise<net.Server | null> {
  return new Promise((resolve, reject) => {
    const server = net.createServer(peer => {
      peer.on('error', () => peer.destroy())
      peer.setTimeout(ASK_MS, () => peer.destroy())
      peer.end(String(process.pid))
    })
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null)
      else reject(new OperatorError('FILE_LOCK', `A lock cannot be had: ${error.message}`))
    })
    // Cluster workers would otherwise share one socket and with it the lock.
    server.listen({ path: name, exclusive: true }, () => resolve(server.unref()))
  })
}

/** The owner's process id, empty if it does not tell, or null if nobody has the name. */
function ask(name: string): Promise<string | null> {
  return new Promise(resolve => {
    let told = ''
    let found = false
    const socket = net.connect({ path: name })
    socket.setEncoding('latin1')
    socket.setTimeout(ASK_MS, () => socket.destroy())
    socket.on('connect', () => (found = true))
    socket.on('data', text => {
      told = (told + text).slice(0, 10)
    })
    // Other errors mean that the name exists, but its owner is too busy to listen.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT') found = true
    })
    socket.on('close', () => resolve(found ? told.replace(/\D/g, '') : null))
  })
}

function stop(server: net.Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
