// SPDX-License-Identifier: Apache-2.0
// Persistent reservations as the text that outlives the process, for people to read: a line for each registration.
import { ProtocolId, RESERVATION_TYPES, readTransportId, writeTransportId } from '@lunkit/spec'
import { type PersistentState, type Registration, reservedName } from '@lunkit/target-api'
import { NOTHING_RESERVED } from './persistent.ts'

/** Null where nothing has to be kept. PRGENERATION starts anew with the process, as SPC-4 wants it after power on. */
export function formatRecord({ aptpl, type, holder, registrations }: PersistentState): string | null {
  if (!aptpl || registrations.size === 0) return null
  const lines = [...registrations].map(([name, one]) => formatLine(one, name === holder))
  if (type !== 0) lines.unshift(`reservation type=${type} (${RESERVATION_TYPES.get(type)!.name})`)
  return `${lines.join('\n')}\n`
}

function formatLine({ transportId, target, port, key, allPorts }: Registration, holds: boolean): string {
  const words = [
    'registration',
    `key=0x${key.toString(16).padStart(16, '0')}`,
    ...initiatorWords(transportId),
    `target=${escaped(target)}`,
    `port=${port}`,
  ]
  if (allPorts) words.push('all-ports')
  if (holds) words.push('holder')
  return words.join(' ')
}

function initiatorWords(transportId: string): string[] {
  const read = readTransportId(Buffer.from(transportId, 'hex'))
  if (read?.id.protocol !== ProtocolId.iscsi || read.id.isid === undefined) {
    return [`transport-id=${transportId}`]
  }
  return [`initiator=${escaped(read.id.name)}`, `isid=${read.id.isid}`]
}

const escaped = (text: string): string => text.replace(/[\s%]/g, encodeURIComponent)

/** Reads what `formatRecord` wrote. Throws an Error that says which line is wrong. */
export function parseRecord(text: string): PersistentState {
  let type = 0
  let holder: string | null = null
  const registrations = new Map<string, Registration>()
  for (const line of text.split('\n').filter(one => one !== '')) {
    const [kind, ...rest] = line.split(' ')
    const values = new Map(rest.map(word => splitWord(word)))
    if (kind === 'reservation') type = Number(values.get('type'))
    else if (kind === 'registration') {
      const registration = readRegistration(line, values)
      const name = reservedName(registration)
      registrations.set(name, registration)
      if (values.has('holder')) holder = name
    } else throw new Error(`'${line}' is no line of reservations`)
  }
  const traits = RESERVATION_TYPES.get(type)
  const fits = type === 0 ? holder === null : traits !== undefined && traits.allHold === (holder === null)
  if (!fits || registrations.size === 0)
    throw new Error('type, holder and registrations do not fit each other')
  return { ...NOTHING_RESERVED, aptpl: true, type, holder, registrations }
}

function splitWord(word: string): [string, string] {
  const at = word.indexOf('=')
  return at < 0 ? [word, ''] : [word.slice(0, at), decodeURIComponent(word.slice(at + 1))]
}

function readRegistration(line: string, values: Map<string, string>): Registration {
  const value = (name: string, pattern: RegExp): string => {
    const text = values.get(name) ?? ''
    if (!pattern.test(text)) throw new Error(`'${line}' has no good ${name}`)
    return text
  }
  return {
    key: BigInt(value('key', /^0x[0-9a-f]{16}$/)),
    target: value('target', /./),
    port: Number(value('port', /^\d{1,5}$/)),
    allPorts: values.has('all-ports'),
    transportId: values.has('transport-id')
      ? value('transport-id', /^([0-9a-f]{2})+$/)
      : iscsiPort(value('initiator', /./), value('isid', /^[0-9a-f]{12}$/)),
  }
}

const iscsiPort = (name: string, isid: string): string =>
  Buffer.from(writeTransportId({ protocol: ProtocolId.iscsi, name, isid })).toString('hex')
