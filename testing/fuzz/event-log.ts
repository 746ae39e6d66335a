// SPDX-License-Identifier: Apache-2.0
// The target's event lines: each is checked, and found again by the peer's address.
import { setTimeout as sleep } from 'node:timers/promises'
import { PDU_BY_OPCODE } from '@lunkit/spec'

type Event = Readonly<Record<string, unknown>>

/** Fields of each kind of event, and which of them may be empty. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'session-opened': ['target', 'initiator', 'address', 'kind'],
  'session-closed': ['target', 'initiator', 'address', 'cause'],
  'connection-closed': ['target', 'initiator', 'address', 'cid', 'cause'],
  'login-failed': ['target', 'initiator', 'address', 'reason'],
  'peer-fault': ['initiator', 'address', 'fault', 'pdu', 'outcome'],
  'command-failed': ['target', 'initiator', 'lun', 'command', 'reason'],
  'stuck-command': ['target', 'initiator', 'address', 'lun', 'command', 'lba', 'blocks', 'ms', 'waitsFor'],
  'slow-command': ['target', 'initiator', 'lun', 'command', 'lba', 'blocks', 'ms', 'outcome'],
  'answers-not-read': ['target', 'initiator', 'address', 'cid', 'bytes', 'ms'],
  refused: ['address', 'reason', 'count'],
  warning: ['reason'],
}
const NUMBERS: ReadonlySet<string> = new Set(['lun', 'count', 'cid', 'bytes', 'ms', 'lba', 'blocks'])
const MAY_BE_NULL: ReadonlySet<string> = new Set(['lba', 'blocks'])
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['target', 'initiator'])

const PDU_NAMES = PDU_BY_OPCODE.flatMap(layout => (layout === undefined ? [] : [layout.name]))
const POLL_MS = 5

export class EventLog {
  /** Events that are no good. */
  readonly complaints: string[] = []
  readonly counts: Record<string, number> = {}
  readonly #sources: readonly Event[][]
  readonly #faults: Map<string, Event[]> = new Map()
  readonly #claimed = new Set<string>()

  /** `sources` are filled from outside, and emptied here. */
  constructor(...sources: Event[][]) {
    this.#sources = sources
  }

  /** Reads what came since the last time. */
  drain(): void {
    for (const source of this.#sources) for (const event of source.splice(0)) this.#take(event)
  }

  #take(event: Event): void {
    const name = String(event['event'])
    this.counts[name] = (this.counts[name] ?? 0) + 1
    const complaint = judge(event)
    if (complaint !== null) this.complaints.push(complaint)
    if (name !== 'peer-fault' && name !== 'login-failed') return
    const address = String(event['address'])
    const list = this.#faults.get(address)
    if (list === undefined) this.#faults.set(address, [event])
    else list.push(event)
  }

  /**
   * Takes the address for a peer and forgets what an earlier one did with it. False if a peer has it now: two
   * connections to different targets may come from one port.
   */
  claim(address: string): boolean {
    if (this.#claimed.has(address)) return false
    this.#claimed.add(address)
    this.drain()
    this.#faults.delete(address)
    return true
  }

  release(address: string): void {
    this.#claimed.delete(address)
  }

  /** Whether the peer's fault was told, waiting for it up to `ms`. */
  async hasFault(address: string, ms: number): Promise<boolean> {
    for (const end = Date.now() + ms; ; ) {
      this.drain()
      if (this.#faults.has(address)) return true
      if (Date.now() > end) return false
      await sleep(POLL_MS)
    }
  }
}

/** What is wrong with an event, or null. */
export function judge(event: Event): string | null {
  const complain = (what: string): string => `Event ${what}: ${JSON.stringify(event)}`
  const name = String(event['event'])
  const fields = FIELDS[name]
  if (fields === undefined) return complain('is of no known kind')
  if (Object.keys(event).sort().join() !== ['event', ...fields].sort().join())
    return complain('has other fields')
  for (const field of fields) {
    const value = event[field]
    const isRight = NUMBERS.has(field)
      ? Number.isInteger(value) || (value === null && MAY_BE_NULL.has(field))
      : typeof value === 'string'
    if (!isRight) return complain(`has a wrong ${field}`)
    if (value === '' && !MAY_BE_EMPTY.has(field)) return complain(`has no ${field}`)
    if (typeof value === 'string' && hasControl(value)) return complain(`has control characters in ${field}`)
  }
  if (name !== 'peer-fault') return null
  const pdu = String(event['pdu'])
  const isDecoded =
    PDU_NAMES.some(known => pdu.startsWith(known)) || /^(Unknown opcode 0x|Short PDU header)/.test(pdu)
  if (!isDecoded) return complain('shows no decoded PDU')
  return ['reject', 'close', 'sense'].includes(String(event['outcome']))
    ? null
    : complain('has no known outcome')
}

/** Control characters in a log line could make it another. */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true
  }
  return false
}
