// SPDX-License-Identifier: Apache-2.0
// Walks the units of a target: REPORT LUNS, then INQUIRY of each.
import { setTimeout as wait } from 'node:timers/promises'
import { decodeLun, Qualifier, REPORT_LUNS, Status } from '@lunkit/spec'
import { buildCdb } from './command-builder.ts'
import { ScsiError, TransportError } from './errors.ts'
import type { InitiatorSession, Lun } from './initiator-driver.ts'
import type { InquiryAnswer } from './inquiry-answer.ts'
import { retryDelay } from './retry.ts'
import { type CommandOptions, Unit } from './unit.ts'

// LUN LIST LENGTH in bytes 0 to 3, then four reserved bytes and eight for each LUN (SPC-4, REPORT LUNS parameter data).
const HEADER_BYTES = 8
const LUN_BYTES = 8
const FIRST_ALLOCATION = HEADER_BYTES + 256 * LUN_BYTES
/** Lists longer than this are refused: a target has at most 16384 units with simple addresses. */
const LONGEST_LIST = 1 << 20

/** The LUNs of a target: numbers where the address is a simple one, else its eight bytes. */
export async function reportLuns(session: InitiatorSession, options: CommandOptions = {}): Promise<Lun[]> {
  let data = await ask(session, FIRST_ALLOCATION, options)
  const length = listLength(data)
  if (length > LONGEST_LIST) {
    throw new TransportError('TRANSPORT_PROTOCOL', `The target reports a list of LUNs of ${length} bytes`)
  }
  if (HEADER_BYTES + length > FIRST_ALLOCATION) data = await ask(session, HEADER_BYTES + length, options)
  const end = Math.min(data.length, HEADER_BYTES + listLength(data))
  const luns: Lun[] = []
  for (let at = HEADER_BYTES; at + LUN_BYTES <= end; at += LUN_BYTES) {
    const lun = decodeLun(data, at)
    luns.push(lun < 0 ? data.slice(at, at + LUN_BYTES) : lun)
  }
  return luns
}

async function ask(
  session: InitiatorSession,
  allocation: number,
  options: CommandOptions,
): Promise<Uint8Array> {
  const cdb = buildCdb(REPORT_LUNS, { allocation })
  for (let attempt = 1; ; attempt++) {
    const request = { lun: 0, cdb, expectedIn: allocation, repeatable: true, ...options }
    const { status, sense, dataIn } = await session.execute(request)
    if (status === Status.good) {
      if (dataIn.length >= HEADER_BYTES) return dataIn
      throw new TransportError('TRANSPORT_PROTOCOL', `REPORT LUNS was answered with ${dataIn.length} bytes`)
    }
    const delay = retryDelay(status, sense, attempt, true)
    if (delay < 0) throw new ScsiError(status, sense, REPORT_LUNS.name)
    if (delay > 0) await wait(delay, undefined, options.signal ? { signal: options.signal } : {})
  }
}

const listLength = (data: Uint8Array): number => new DataView(data.buffer, data.byteOffset).getUint32(0)

export interface FoundUnit {
  readonly lun: Lun
  readonly unit: Unit
  readonly inquiry: InquiryAnswer
}

/** All units behind a session that are there, in the target's order. */
export async function discoverUnits(
  session: InitiatorSession,
  options: CommandOptions = {},
): Promise<FoundUnit[]> {
  const found: FoundUnit[] = []
  for (const lun of await reportLuns(session, options)) {
    const unit = new Unit(session, lun)
    const inquiry = await unit.inquiry(options)
    if (inquiry.qualifier === Qualifier.connected) found.push({ lun, unit, inquiry })
  }
  return found
}
