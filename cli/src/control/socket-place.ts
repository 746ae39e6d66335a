// SPDX-License-Identifier: Apache-2.0
// The place of a control socket in the file system: one that a dead process has left is taken, nothing else is.
import { once } from 'node:events'
import { lstatSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { resolve } from 'node:path'
import { OperatorError } from '@lunkit/target-api'

/** What fits into sockaddr_un, with a zero behind it (unix(7); BSD has four bytes less). */
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103
/** Nobody but the owner may connect. */
const ONLY_OWNER = 0o177

/** Who connects while so many wait to be let in waits, too: letting in many at once would keep disks waiting. */
const BACKLOG = 32

/** Has the server listen there. Rejects with OperatorError. */
export async function listenAt(server: Server, path: string): Promise<void> {
  await takePlace(path)
  const listens = once(server, 'listening')
  // The socket is made within the call, so that nobody ever sees it with other rights.
  const before = process.umask(ONLY_OWNER)
  try {
    server.listen({ path, backlog: BACKLOG })
  } finally {
    process.umask(before)
  }
  try {
    await listens
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw inUse(path)
    throw placeError(path, `cannot be made (${code})`, 'its folder must exist, and be yours to write in')
  }
}

/** The whole path. Throws OperatorError. */
export function placeOf(path: string): string {
  if (process.platform === 'win32')
    throw pathError(path, 'cannot be made: on Windows there are no control sockets', 'use --control')
  const whole = resolve(path)
  if (Buffer.byteLength(whole) <= LONGEST_PATH) return whole
  throw pathError(whole, `has more than ${LONGEST_PATH} bytes`, 'name a place with a shorter path')
}

async function takePlace(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw placeError(path, 'is there, and is no socket', 'name a place that is free')
  const refusal = await knock(path)
  if (refusal === 'ENOENT') return
  if (refusal === null || refusal === 'EAGAIN') throw inUse(path)
  if (refusal !== 'ECONNREFUSED')
    throw placeError(path, `is a socket of somebody else (${refusal})`, 'name a place that is free')
  try {
    unlinkSync(path)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT')
      throw placeError(path, `cannot be replaced (${code})`, 'remove it, or name another place')
  }
}

/** Why nobody can be connected to there; null if somebody can. */
function knock(path: string): Promise<string | null> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(null)
    })
    socket.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve(code))
  })
}

const pathError = (path: string, what: string, hint: string): OperatorError =>
  new OperatorError('SOCKET_PATH', `The control socket '${path}' ${what}`, { hint })

const placeError = (path: string, what: string, hint: string): OperatorError =>
  new OperatorError('SOCKET_PLACE', `The control socket '${path}' ${what}`, { hint })

const inUse = (path: string): OperatorError =>
  new OperatorError('SOCKET_IN_USE', `A running process listens at the control socket '${path}'`, {
    hint: 'end it, or name another place',
  })
