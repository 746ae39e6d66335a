// SPDX-License-Identifier: Apache-2.0
// Sessions of a running target as people read them: a row for each connection, a line of details for each session.
import type { ConnectionReport, LoginReport, SessionReport } from '@lunkit/target-driver-iscsi'
import { Table } from 'console-table-printer'
import { formatBytes } from './units.ts'

/** `now` is the time by `Date.now()`. Ends with a line end. */
export function listSessions(
  sessions: readonly SessionReport[],
  logins: readonly LoginReport[],
  now: number,
): string {
  const table = sessions.length === 0 ? 'No sessions' : tableOf(sessions, now)
  return `${[table, ...sessions.map(detailsOf), ...logins.map(loginsOf)].join('\n')}\n`
}

const right = (name: string, title: string) => ({ name, title, alignment: 'right' as const })
const left = (name: string, title: string) => ({ name, title, alignment: 'left' as const })

function tableOf(sessions: readonly SessionReport[], now: number): string {
  const table = new Table({
    shouldDisableColors: true,
    columns: [
      left('session', 'Session'),
      left('cid', 'CID'),
      left('initiator', 'Initiator'),
      left('address', 'From'),
      right('age', 'Since'),
      left('digests', 'Digests'),
      right('commands', 'Commands'),
      right('read', 'Read'),
      right('written', 'Written'),
      right('pdus', 'PDUs in/out'),
      right('faults', 'Faults'),
      right('ping', 'Ping'),
    ],
  })
  for (const session of sessions) {
    for (const connection of session.connections) table.addRow(rowOf(session, connection, now))
  }
  return table.render()
}

function rowOf(session: SessionReport, connection: ConnectionReport, now: number) {
  const { counters, headerDigest, dataDigest } = connection
  const digests = [headerDigest && 'header', dataDigest && 'data'].filter(Boolean).join('+')
  return {
    session: nameOf(session),
    cid: connection.cid,
    initiator: session.initiator,
    address: connection.address,
    age: formatAge(now - connection.openedAt.getTime()),
    digests: digests === '' ? '-' : digests,
    commands: counters.commands,
    read: formatBytes(counters.bytesRead),
    written: formatBytes(counters.bytesWritten),
    pdus: `${counters.pdusIn}/${counters.pdusOut}`,
    faults: counters.faults,
    ping: counters.pingsAnswered === 0 ? '-' : `${counters.roundTripMs.toFixed(2)} ms`,
  }
}

/** Portal group and number. */
const nameOf = ({ portalGroup, tsih }: SessionReport): string => `${portalGroup}/${tsih}`

/** Keys that the table shows already or that are the same for all. */
const SHOWN: ReadonlySet<string> = new Set([
  'InitiatorName',
  'TargetName',
  'SessionType',
  'HeaderDigest',
  'DataDigest',
])

function detailsOf(session: SessionReport): string {
  const { kind, isid, user, tasks, parked, expCmdSn, maxCmdSn, reconnects } = session
  const numbers = Object.entries({ tasks, parked, expCmdSn, maxCmdSn, reconnects })
  const keys = Object.entries(session.keys).filter(([key]) => !SHOWN.has(key))
  const counters = Object.entries(session.counters).filter(([, value]) => value !== 0)
  const words = [...numbers, ...keys, ...counters].map(([name, value]) => `${name}=${shown(value)}`)
  const who = user === null ? '' : ` user=${user}`
  return `${nameOf(session)} ${kind} isid=${isid}${who} ${words.join(' ')}`
}

const shown = (value: unknown): string =>
  typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value)

function loginsOf({ portalGroup, reasons, ...numbers }: LoginReport): string {
  const words = Object.entries(numbers).map(([name, value]) => `${name}=${value}`)
  const failed = Object.entries(reasons).map(([reason, count]) => `${reason}: ${count}`)
  const why = failed.length === 0 ? '' : ` (${failed.join(', ')})`
  return `Logins of portal group ${portalGroup}: ${words.join(' ')}${why}`
}

/** `45 s`, `12 min`, `3 h`, `5 d`. */
function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}
