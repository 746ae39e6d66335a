// SPDX-License-Identifier: Apache-2.0
// What a handler says of a SCSI unit in its hello, checked.
import type { ControlPolicies } from '@lunkit/target-api'
import { HandlerFault, type HandlerHello } from './link/protocol.ts'

export interface UnitHello extends HandlerHello {
  /** SPC peripheral device type, 0 to 31. */
  readonly type: number
  /** Logical block size, and their number; a disk has both. */
  readonly block?: number
  readonly blocks?: number
  /** Most bytes of one command, up to 16 MiB: 1 MiB if not given. */
  readonly maxTransfer?: number
  /** The handler answers PERSISTENT RESERVE and RESERVE itself; else lunkit does, for all commands. */
  readonly reservations?: boolean
  /** What the engine does as the Control mode page says. */
  readonly policies?: Partial<ControlPolicies>
}

const LONGEST = 16 * 1024 * 1024
const POLICIES: Readonly<Record<keyof ControlPolicies, readonly (number | boolean)[]>> = {
  tst: [0, 1],
  qerr: [0, 1, 3],
  tas: [false, true],
  tmfOnly: [false, true],
  uaIntlckCtrl: [0, 2, 3],
  queueAlgorithm: [0, 1],
  dSense: [false, true],
}

const isWithin = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most

/** Throws HandlerFault. */
export function checkUnitHello(hello: HandlerHello): UnitHello {
  const given = hello as UnitHello
  const { type, block, blocks, maxTransfer, identity, policies = {} } = given
  const wrong = (name: string, value: unknown): HandlerFault =>
    new HandlerFault(`its hello has the ${name} ${String(value).slice(0, 30)}`)
  if (!isWithin(type, 0, 31)) throw wrong('type', type)
  const hasBlocks = type === 0 || block !== undefined || blocks !== undefined
  if (hasBlocks && !isWithin(block, 1, 65536)) throw wrong('block', block)
  if (hasBlocks && !isWithin(blocks, 1, Number.MAX_SAFE_INTEGER)) throw wrong('blocks', blocks)
  if (maxTransfer !== undefined && !isWithin(maxTransfer, 512, LONGEST))
    throw wrong('maxTransfer', maxTransfer)
  if (identity !== undefined && !/^[\x20-\x7e]{1,200}$/.test(String(identity)))
    throw wrong('identity', identity)
  for (const [name, value] of Object.entries(policies)) {
    const allowed = Object.hasOwn(POLICIES, name) ? POLICIES[name as keyof ControlPolicies] : []
    if (!allowed.includes(value)) throw wrong(`policy ${name}`, value)
  }
  return given
}
