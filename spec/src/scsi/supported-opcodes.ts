// SPDX-License-Identifier: Apache-2.0
// REPORT SUPPORTED OPERATION CODES: its choices and the parts of its answer.
import { bit, bits, u8, u16, u32 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** REPORTING OPTIONS (SPC-4, REPORT SUPPORTED OPERATION CODES command). */
export const ReportingOptions = Object.freeze({
  all: 0,
  /** One command by operation code; an error if it has service actions. */
  opcode: 1,
  /** One command by operation code and service action; an error if it has none. */
  opcodeAndServiceAction: 2,
  /** As 1 or 2, whichever fits, and never an error. */
  either: 3,
} as const)

/** SUPPORT of the one-command format. */
export const CommandSupport = Object.freeze({
  unknown: 0,
  notSupported: 1,
  standard: 3,
  vendor: 5,
} as const)

/** all_commands parameter data: this header, then descriptors. The length counts from byte 4. */
export const ALL_COMMANDS_HEADER = layout('All commands', 'SPC-4 All_commands parameter data format', 4, {
  length: u32(0),
})

/** Followed by a timeouts descriptor where `ctdp` is one. */
export const COMMAND_DESCRIPTOR = layout(
  'Command descriptor',
  'SPC-4 All_commands parameter data format',
  8,
  {
    opcode: u8(0),
    serviceAction: u16(2),
    ctdp: bit(5, 1),
    servactv: bit(5, 0),
    cdbLength: u16(6),
  },
)

/** One_command parameter data: this header, `cdbLength` bytes of usage data, and a timeouts descriptor if `ctdp`. */
export const ONE_COMMAND_HEADER = layout('One command', 'SPC-4 One_command parameter data format', 4, {
  ctdp: bit(1, 7),
  support: bits(1, 2, 0),
  cdbLength: u16(2),
})

/** Command timeouts descriptor; times in seconds, zero for none given. The length, 0Ah, counts from byte 2. */
export const COMMAND_TIMEOUTS = layout('Command timeouts', 'SPC-4 Command timeouts descriptor', 12, {
  length: u16(0),
  commandSpecific: u8(3),
  nominal: u32(4),
  recommended: u32(8),
})
