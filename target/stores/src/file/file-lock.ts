// SPDX-License-Identifier: Apache-2.0
// Keeps two lunkits from writing one file: a name that the kernel holds for the process and frees when it dies.
import net from 'node:net'
import { OperatorError } from '@lunkit/target-api'

/** So many may read one file at once. */
const READERS = 64
const ASK_MS = 500

/** The file by what no link, rename or relative path changes. */
export interface FileKey {
  readonly dev: bigint
  readonly ino: bigint
}

/**
 * Locks a file among all lunkits of this machine, in other processes and in this one: one writer, or several readers.
 * Rejects with OperatorError FILE_IN_USE. Resolves to what frees it.
 *
 * The lock is an abstract Unix socket (unix(7)), named after device and inode: nothing is left behind in any file
 * system when a process is killed. A writer takes the file's one name and then looks for readers; a reader takes one
 * of the readers' names and then looks for a writer. Each listens before it looks, so that no two can miss each other.
 */
export async function lockByName(path: string, key: FileKey, shared: boolean): Promise<() => Promise<void>> {
  const name = `\0lunkit-file-${key.dev}-${key.ino}`
  if (!shared) {
    const server = await listen(name)
    if (server === null) throw inUse(path, await ask(name))
    for (let slot = 0; slot < READERS; slot++) {
      const reader = await ask(`${name}-reader-${slot}`)
      if (reader !== null) {
        await stop(server)
        throw inUse(path, reader)
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
    throw inUse(path, writer)
  }
  throw inUse(path, '')
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
      else reject(new OperatorError('FILE_LOCK', `The lock on a file cannot be had: ${error.message}`))
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

/** `owner` is what `ask` said. */
export function inUse(path: string, owner: string | null): OperatorError {
  const who =
    owner === String(process.pid)
      ? 'another unit of this lunkit'
      : owner
        ? `another lunkit (pid ${owner})`
        : 'another lunkit'
  return new OperatorError('FILE_IN_USE', `File '${path}' is in use by ${who}`, {
    hint: 'stop the other one, or open it with readonly=yes in all places',
  })
}
