// SPDX-License-Identifier: Apache-2.0
// Which sessions a call is for.
import { matchesPattern } from '@lunkit/target-api'
import type { IscsiTargetPort } from '../port.ts'
import type { Session } from '../session.ts'

/** Sessions for which all that is given holds; all of the port if nothing is. */
export interface SessionSelection {
  readonly target?: string
  /** Name of the initiator; `*` and `?` match any. */
  readonly initiator?: string
  /** 12 hexadecimal digits. */
  readonly isid?: string
  readonly tsih?: number
}

export function isSelected({ target, identity }: Session, which: SessionSelection): boolean {
  return (
    (which.target === undefined || target?.name === which.target) &&
    (which.initiator === undefined || matchesPattern(which.initiator, identity.initiator)) &&
    (which.isid === undefined || identity.isid === which.isid.toLowerCase()) &&
    (which.tsih === undefined || identity.tsih === which.tsih)
  )
}

/** The running sessions of a port that are meant. */
export const selected = (port: IscsiTargetPort, which: SessionSelection): Session[] =>
  [...port.sessions.values()].filter(session => !session.ended && isSelected(session, which))
