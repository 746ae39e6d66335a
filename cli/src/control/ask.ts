// SPDX-License-Identifier: Apache-2.0
// The other end of a control socket: one line there, one reply back.
import { connect } from 'node:net'
import { UsageError } from '../usage-error.ts'
import type { Reply } from './reply.ts'

/** Rejects with UsageError if there is no reply. */
export function ask(path: string, line: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => void socket.write(`${line}\n`))
    let heard = ''
    socket.setEncoding('utf8')
    socket.on('data', text => {
      heard += text
      const end = heard.indexOf('\n')
      if (end < 0) return
      socket.destroy()
      try {
        resolve(JSON.parse(heard.slice(0, end)) as Reply)
      } catch {
        reject(new UsageError('TRANSPORT_PROTOCOL', `'${path}' is no control socket of lunkit`))
      }
    })
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) => reject(unreachable(path, code)))
    // After an answer or an error it changes nothing.
    socket.on('close', () => reject(lost()))
  })
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file: --control-socket of serve and run makes it',
  ECONNREFUSED: 'the process that has made it has gone',
  EAGAIN: 'too many connect at once: try again',
  EACCES: 'it is for the user who has started the target, and root',
}

function unreachable(path: string, code: string): UsageError {
  if (code === 'EPIPE' || code === 'ECONNRESET') return lost()
  return new UsageError(
    'TRANSPORT_CONNECT',
    `The control socket '${path}' cannot be reached (${code})`,
    HINTS[code],
  )
}

const lost = (): UsageError =>
  new UsageError(
    'TRANSPORT_CLOSED',
    'The control socket was closed without an answer',
    'look whether it has been done before you repeat it',
  )
