// SPDX-License-Identifier: Apache-2.0
// Response codes of the SCSI Response PDU (RFC 7143, 11.4.3) and the head of its data segment (11.4.7).
import { u16 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** Codes from `vendorSpecific` up to 0xff belong to vendors; `status` counts only with `commandCompleted`. */
export const ScsiResponse = Object.freeze({
  commandCompleted: 0x00,
  targetFailure: 0x01,
  vendorSpecific: 0x80,
} as const)

/** Head of a SCSI Response's data segment: `senseLength` bytes of sense data follow, then response data. */
export const SENSE_SEGMENT = layout('SCSI Response data segment', 'RFC 7143, 11.4.7', 2, {
  senseLength: u16(0),
})

export function scsiResponseText(response: number): string {
  if (response === ScsiResponse.commandCompleted) return 'Command completed at target'
  if (response === ScsiResponse.targetFailure) return 'Target failure'
  const code = `0x${response.toString(16).padStart(2, '0')}`
  return response >= ScsiResponse.vendorSpecific
    ? `Vendor-specific response ${code}`
    : `Unknown response ${code}`
}
