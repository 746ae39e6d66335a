// SPDX-License-Identifier: Apache-2.0
// What a unit attention of the real unit means behind a gateway: it told one nexus, and all of lunkit's initiators are behind that one.
import {
  CAPACITY_DATA_HAS_CHANGED,
  I_T_NEXUS_LOSS_OCCURRED,
  INQUIRY_DATA_HAS_CHANGED,
  MODE_PARAMETERS_CHANGED,
  NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED,
  REPORTED_LUNS_DATA_HAS_CHANGED,
  type SenseCode,
} from '@lunkit/spec'

const RESET_ASC = 0x29

type Code = Pick<SenseCode, 'asc' | 'ascq'>

export const isSame = (a: Code, b: Code): boolean => a.asc === b.asc && a.ascq === b.ascq

/** The unit has been reset or switched on, or its nexus with lunkit was lost (SAM-5, unit attention conditions; ASC 29h). */
export const isReset = ({ asc }: Code): boolean => asc === RESET_ASC

/** About the way from lunkit to the unit, which no initiator sees: the list of the real target's units, the loss of its nexus. */
export const isOfTheWay = (code: Code): boolean =>
  isSame(code, REPORTED_LUNS_DATA_HAS_CHANGED) || isSame(code, I_T_NEXUS_LOSS_OCCURRED)

const CHANGES: readonly SenseCode[] = [
  CAPACITY_DATA_HAS_CHANGED,
  MODE_PARAMETERS_CHANGED,
  INQUIRY_DATA_HAS_CHANGED,
  NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED,
]

/** Capacity, mode pages or names may be others now. */
export const changesUnit = (code: Code): boolean => isReset(code) || CHANGES.some(one => isSame(one, code))
