// SPDX-License-Identifier: Apache-2.0
// `--control-socket`: the lines of --control on a Unix socket, for any number of programs one after another and some at a time.
import { createServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { OperatorError } from '@lunkit/target-api'
import { commandIn, faultOf, LONGEST_LINE, linesOf } from './lines.ts'
import { failed, type Obey, type Reply } from './reply.ts'
import { listenAt, placeOf } from './socket-place.ts'

/** Connections at a time; each holds a chunk of lines at most. */
const MOST_CLIENTS = 32
/** A connection on which nobody says or reads anything for so long is closed. */
const IDLE_MS = 600_000
/** So long has a peer to take its last answer. */
const LINGER_MS = 1000

export interface ControlSocket {
  /** Until something else is set, lines are refused: what they are for is being started. */
  obey: Obey
  /** The socket is gone then, and whoever is connected is cut off. */
  close(): void
}

/** Listens at `path`; without one, nowhere. Rejects with OperatorError. */
export async function openControlSocket(path: string | undefined): Promise<ControlSocket> {
  const clients = new Set<Socket>()
  // Who has said all still hears the answers.
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    clients.add(socket)
    socket.once('close', () => clients.delete(socket))
    if (clients.size <= MOST_CLIENTS) void converse(socket, line => control.obey(line))
    else leave(socket, FULL)
  })
  // Beyond, not even that is told.
  server.maxConnections = 2 * MOST_CLIENTS
  const control: ControlSocket = {
    obey: async () => STARTING,
    close() {
      process.removeListener('exit', control.close)
      // Node removes the file with it.
      server.close()
      for (const socket of clients) socket.destroy()
    },
  }
  if (path === undefined) return control
  await listenAt(server, placeOf(path))
  // Who could not be accepted comes again.
  server.on('error', () => {})
  // However it ends, but by a kill.
  process.on('exit', control.close)
  return control
}

/** One request after another: nothing is read while one is obeyed, or its answer is not taken. */
async function converse(socket: Socket, obey: Obey): Promise<void> {
  let obeys = false
  socket.setTimeout(IDLE_MS)
  socket.on('timeout', () => {
    if (!obeys) socket.destroy()
  })
  try {
    for await (const { text, fault } of linesOf(socket)) {
      // Whoever sends many has others wait no longer than one of them takes.
      await nextTurn()
      const command = commandIn(text)
      if (fault === null && command === '') continue
      obeys = true
      const reply = fault === null ? await obey(command) : failed(faultOf(fault))
      obeys = false
      await say(socket, reply)
      if (fault !== null) break
    }
  } catch {
    // It has gone, with or without its answer.
  } finally {
    leave(socket)
  }
}

/**
 * Nothing more is obeyed; a line's length is read, to see that the peer has gone, and no more. Cut off at once, who is still
 * sending would not hear the last answer.
 */
function leave(socket: Socket, reply?: Reply): void {
  let left = LONGEST_LINE
  socket.on('data', ({ length }) => {
    left -= length
    if (left < 0) socket.pause()
  })
  if (reply === undefined) socket.end()
  else socket.end(lineOf(reply))
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}

/** Resolves when the system has taken it. */
function say(socket: Socket, reply: Reply): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(lineOf(reply), error => (error == null ? resolve() : reject(error)))
  })
}

const lineOf = (reply: Reply): string => `${JSON.stringify(reply)}\n`

const FULL = failed(
  new OperatorError('CONTROL_FULL', `${MOST_CLIENTS} programs are connected to the control socket`, {
    hint: 'try again when one of them has gone',
  }),
)

const STARTING = failed(
  new OperatorError('TARGET_DOWN', 'What is to be controlled is being started', { hint: 'try again' }),
)
