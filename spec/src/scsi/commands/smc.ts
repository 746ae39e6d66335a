// SPDX-License-Identifier: Apache-2.0
// The commands of SMC-3, changers: one row each for those that SPC and SBC do not have or have otherwise.
import { bit, bits, u16, u24 } from '../../bytes/field.ts'
import { type Command, command } from '../command.ts'

const ASK = { data: 'in', touches: 'nothing', reservation: 'readers' } as const
const SET = { data: 'out', touches: 'unit', reservation: 'registrants' } as const
const MOVE = { data: 'none', touches: 'medium-all', reservation: 'registrants' } as const

const ELEMENTS = {
  volumeTag: bit(1, 4),
  elementType: bits(1, 3, 0),
  startingElement: u16(2),
  elements: u16(4),
} as const

export const MOVE_MEDIUM = command(0xa5, 12, 'MOVE MEDIUM', 'SMC-3 MOVE MEDIUM command', MOVE, {
  transport: u16(2),
  source: u16(4),
  destination: u16(6),
  invert: bit(10, 0),
})
export const MOVE_MEDIUM_ATTACHED = command(
  0xa7,
  12,
  'MOVE MEDIUM ATTACHED',
  'SMC-3 MOVE MEDIUM ATTACHED command',
  MOVE,
  { transport: u16(2), source: u16(4), destination: u16(6), invert: bit(10, 0) },
)
export const EXCHANGE_MEDIUM = command(0xa6, 12, 'EXCHANGE MEDIUM', 'SMC-3 EXCHANGE MEDIUM command', MOVE, {
  transport: u16(2),
  source: u16(4),
  destination: u16(6),
  secondDestination: u16(8),
  invert1: bit(10, 1),
  invert2: bit(10, 0),
})
export const POSITION_TO_ELEMENT = command(
  0x2b,
  10,
  'POSITION TO ELEMENT',
  'SMC-3 POSITION TO ELEMENT command',
  MOVE,
  { transport: u16(2), destination: u16(4), invert: bit(8, 0) },
)
export const OPEN_CLOSE_IMPORT_EXPORT_ELEMENT = command(
  0x1b,
  6,
  'OPEN/CLOSE IMPORT/EXPORT ELEMENT',
  'SMC-3 OPEN/CLOSE IMPORT/EXPORT ELEMENT command',
  MOVE,
  { element: u16(2), action: bits(4, 4, 0) },
)
export const INITIALIZE_ELEMENT_STATUS = command(
  0x07,
  6,
  'INITIALIZE ELEMENT STATUS',
  'SMC-3 INITIALIZE ELEMENT STATUS command',
  MOVE,
  {},
)
export const INITIALIZE_ELEMENT_STATUS_WITH_RANGE = command(
  0x37,
  10,
  'INITIALIZE ELEMENT STATUS WITH RANGE',
  'SMC-3 INITIALIZE ELEMENT STATUS WITH RANGE command',
  MOVE,
  { fast: bit(1, 1), range: bit(1, 0), startingElement: u16(2), elements: u16(6) },
)
export const READ_ELEMENT_STATUS = command(
  0xb8,
  12,
  'READ ELEMENT STATUS',
  'SMC-3 READ ELEMENT STATUS command',
  ASK,
  { ...ELEMENTS, mixed: bit(6, 2), currentData: bit(6, 1), deviceIds: bit(6, 0), allocation: u24(7) },
)
export const READ_ELEMENT_STATUS_ATTACHED = command(
  0xb4,
  12,
  'READ ELEMENT STATUS ATTACHED',
  'SMC-3 READ ELEMENT STATUS ATTACHED command',
  ASK,
  { ...ELEMENTS, currentData: bit(6, 1), deviceIds: bit(6, 0), allocation: u24(7) },
)
export const REQUEST_VOLUME_ELEMENT_ADDRESS = command(
  0xb5,
  12,
  'REQUEST VOLUME ELEMENT ADDRESS',
  'SMC-3 REQUEST VOLUME ELEMENT ADDRESS command',
  ASK,
  { ...ELEMENTS, allocation: u24(7) },
)
export const SEND_VOLUME_TAG = command(0xb6, 12, 'SEND VOLUME TAG', 'SMC-3 SEND VOLUME TAG command', SET, {
  elementType: bits(1, 3, 0),
  startingElement: u16(2),
  action: bits(5, 4, 0),
  parameterLength: u16(8),
})
export const REPORT_VOLUME_TYPES_SUPPORTED = command(
  0x44,
  10,
  'REPORT VOLUME TYPES SUPPORTED',
  'SMC-3 REPORT VOLUME TYPES SUPPORTED command',
  { data: 'in', touches: 'nothing', reservation: 'allowed' },
  { allocation: u16(7) },
)

/** Every row of this file, for tables and tests. */
export const SMC_COMMANDS: readonly Command[] = [
  MOVE_MEDIUM,
  MOVE_MEDIUM_ATTACHED,
  EXCHANGE_MEDIUM,
  POSITION_TO_ELEMENT,
  OPEN_CLOSE_IMPORT_EXPORT_ELEMENT,
  INITIALIZE_ELEMENT_STATUS,
  INITIALIZE_ELEMENT_STATUS_WITH_RANGE,
  READ_ELEMENT_STATUS,
  READ_ELEMENT_STATUS_ATTACHED,
  REQUEST_VOLUME_ELEMENT_ADDRESS,
  SEND_VOLUME_TAG,
  REPORT_VOLUME_TYPES_SUPPORTED,
]
