// SPDX-License-Identifier: Apache-2.0
// A process of `lunkit run`: serves its targets to connections that the process with the portals sends, and ends with it.
import type { Socket } from 'node:net'
import type { Reception } from '@lunkit/target-driver-iscsi'
import { describeError } from '../exit.ts'
import { ExitCode } from '../exit-codes.ts'
import { type Say, sayEvent } from '../say.ts'
import { LATE_MS } from '../signals.ts'
import { parsePortal } from '../target-face/portal.ts'
import { endWithParent } from './end-with-parent.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { Share } from './share.ts'

const tell = (message: FromWorker, told?: () => void): void => {
  // Nobody hears it any more once the other process has gone: that is told by 'disconnect'.
  process.send?.(message, undefined, {}, () => told?.())
}
const say: Say = (fields, words) => tell({ type: 'say', fields, words })

let share: Share | null = null
let ending = false

async function start({ plans, portals }: Extract<ToWorker, { type: 'start' }>): Promise<void> {
  const of = (tag: number): Reception => ({
    listeners: portals
      .map(parsePortal)
      .filter(portal => portal.tag === tag)
      .map(({ host, port, advertise }) => ({
        portal: { host, port },
        advertise: advertise && { port, ...advertise },
        tls: null,
      })),
    door: {
      refused: (address, status) => tell({ type: 'login', tag, address, status }),
      proved: address => tell({ type: 'login', tag, address, status: null }),
    },
  })
  try {
    share = await Share.open(plans, { texts: portals, of }, say)
    tell({ type: 'ready', luns: share.luns })
  } catch (error) {
    if (error instanceof Error && !('hint' in error)) process.stderr.write(`${error.stack}\n`)
    tell({ type: 'failed', ...describeError(error) }, () => process.exit(ExitCode.failed))
  }
}

function take(message: Extract<ToWorker, { type: 'connection' }>, socket: Socket | undefined): void {
  const { id, target, tag, msLeft } = message
  tell({ type: 'took', id })
  // It may have been closed on its way.
  if (socket === undefined || share === null) {
    socket?.destroy()
    tell({ type: 'left', id })
    return
  }
  socket.once('close', () => tell({ type: 'left', id }))
  const { buffer, byteOffset, byteLength } = message.bytes
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  share.take(target, tag, { socket, bytes, msLeft, certificate: null })
}

/** Nobody asks before it is open. */
async function obey({ id, target, line }: Extract<ToWorker, { type: 'control' }>): Promise<void> {
  tell({ type: 'control', id, reply: await share!.obey(target, line) })
}

async function end(graceMs: number): Promise<void> {
  if (ending) return
  ending = true
  setTimeout(() => process.exit(ExitCode.failed), graceMs + LATE_MS).unref()
  try {
    await share?.close(graceMs)
  } catch (error) {
    process.stderr.write(`lunkit: ${describeError(error).message}\n`)
    process.exitCode = ExitCode.failed
  }
  process.exit()
}

process.on('message', (message: ToWorker, socket) => {
  switch (message.type) {
    case 'start':
      void start(message)
      break
    case 'connection':
      take(message, socket as Socket | undefined)
      break
    case 'beat':
      tell({ type: 'beat' })
      break
    case 'report':
      tell({ type: 'report', reports: share?.report() ?? [] })
      break
    case 'control':
      void obey(message)
      break
    case 'look':
      void share?.look()
      break
    case 'stop':
      void end(message.graceMs)
      break
  }
})
process.on('disconnect', () => void end(0))
endWithParent(reason => sayEvent(say, { type: 'warning', reason }))
// A terminal sends signals to all processes of a command: the one with the portals says what comes of them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
  if (process.platform !== 'win32' || !signal.startsWith('SIGUSR')) process.on(signal, () => undefined)
}
