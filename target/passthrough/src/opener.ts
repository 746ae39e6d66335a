// SPDX-License-Identifier: Apache-2.0
// How a bridge is opened, by the first part of what names the real unit.
import { OperatorError, type ParameterTable, type ParameterValues } from '@lunkit/target-api'
import type { Bridge } from './bridge.ts'

/** An open way to one unit. */
export interface OpenedBridge {
  readonly bridge: Bridge
  /** What tells this unit's place from all others, such as `iscsi://host:3260/iqn…/0` or `sg:/dev/sg3`; without secrets. */
  readonly identity: string
  /** Most bytes that one command may move, each way. */
  readonly maxTransfer: number
  /** Longest CDB that it carries, bytes. */
  readonly longestCdb: number
  /** What does not work here and why, for the operator. */
  readonly note?: string
  /** Ends the way; no request is under way. */
  close(): Promise<void>
}

/** A kind of bridge. Stateless; what it needs to load, it loads in `open`. */
export interface BridgeOpener {
  /** Keys of the LUN that only this bridge takes. */
  readonly parameters: ParameterTable
  /**
   * Opens the way to the unit that `where` names (`iscsi://…`, `/dev/sg3`). Rejects with OperatorError where there is no such unit now.
   * Later it answers `lost` while the unit is away, at once, and looks for it anew with each `execute`: pass-through sends one now and then.
   */
  open(where: string, values: ParameterValues): Promise<OpenedBridge>
}

/** By scheme: `iscsi` takes `iscsi://…`; `sg` takes absolute paths. */
export type BridgeOpeners = Readonly<Record<string, BridgeOpener>>

/** The opener for what a person wrote. Throws OperatorError. */
export function findOpener(openers: BridgeOpeners, where: string): BridgeOpener {
  const scheme = where.startsWith('/') ? 'sg' : /^([a-z][a-z0-9]*):/.exec(where)?.[1]
  if (scheme !== undefined && Object.hasOwn(openers, scheme)) return openers[scheme]!
  throw new OperatorError('PASSTHROUGH_PLACE', `'${where}' names no unit that can be passed through`, {
    hint: `write passthrough: and ${Object.keys(openers)
      .map(name => FORMS[name] ?? `${name}:…`)
      .join(' or ')}`,
  })
}

const FORMS: Readonly<Record<string, string>> = { iscsi: 'iscsi://HOST/TARGET/LUN', sg: '/dev/sgN' }
