// SPDX-License-Identifier: Apache-2.0
// Data that lunkit and a handler pass by a file in memory: slots for requests, read and written by calls, never mapped.
import { randomBytes } from 'node:crypto'
import { closeSync, constants, ftruncateSync, openSync, readvSync, unlinkSync, writevSync } from 'node:fs'
import { HandlerFault } from './protocol.ts'

/** Files there are memory. */
const FOLDER = '/dev/shm'
const SLOT = 262144
const SLOTS = 64
/** Buffers of one call (POSIX IOV_MAX). */
const MOST_BUFFERS = 1024

/**
 * lunkit does not map the file: a handler that cuts it off would end the process by SIGBUS. By calls it is a short read,
 * and they cost one copy, as the kernel's sockets cost two.
 */
export class SharedMemory {
  readonly path: string
  readonly bytes = SLOT * SLOTS
  readonly #fd: number
  readonly #free = Array.from({ length: SLOTS }, (_, index) => (SLOTS - 1 - index) * SLOT)
  #named = true

  private constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  /** Null where the machine has no such files. */
  static create(): SharedMemory | null {
    const path = `${FOLDER}/lunkit-${process.pid}-${randomBytes(8).toString('hex')}`
    try {
      const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600)
      const memory = new SharedMemory(path, fd)
      ftruncateSync(fd, memory.bytes)
      return memory
    } catch {
      return null
    }
  }

  /** Takes a slot for so many bytes; -1 if there is none. */
  take(bytes: number): number {
    return bytes > SLOT || bytes === 0 ? -1 : (this.#free.pop() ?? -1)
  }

  give(place: number): void {
    this.#free.push(place)
  }

  /** False if the machine has no memory for it. */
  write(place: number, buffers: readonly Buffer[], bytes: number): boolean {
    if (buffers.length > MOST_BUFFERS) return false
    try {
      return writevSync(this.#fd, buffers, place) === bytes
    } catch {
      return false
    }
  }

  /** Fills the buffers. Throws HandlerFault if the file has become shorter. */
  read(place: number, buffers: readonly Buffer[], bytes: number): void {
    for (let at = 0, done = 0; at < buffers.length; at += MOST_BUFFERS) {
      const some = buffers.length > MOST_BUFFERS ? buffers.slice(at, at + MOST_BUFFERS) : buffers
      const wanted = some.reduce((sum, { length }) => sum + length, 0)
      if (readvSync(this.#fd, some, place + done) !== Math.min(wanted, bytes - done)) {
        throw new HandlerFault('the shared memory is shorter than it was')
      }
      done += wanted
    }
  }

  /** Nobody else can open it from now on. */
  unname(): void {
    if (!this.#named) return
    this.#named = false
    try {
      unlinkSync(this.path)
    } catch {
      // Somebody tidied up before.
    }
  }

  close(): void {
    this.unname()
    closeSync(this.#fd)
  }
}
