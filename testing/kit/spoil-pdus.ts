// SPDX-License-Identifier: Apache-2.0
// Makes one PDU of a tapped session wrong, to prove that a watch finds it.
import type { Side, TappedPdu } from './wire-tap.ts'

export type Pdus = readonly TappedPdu[]

/** Gives the session with one PDU changed, or null where it has none that can be. */
export type Spoil = (pdus: Pdus) => Pdus | null

/** Changes the first PDU of this side and opcode for which `to` does not give null. */
export const change =
  (from: Side, opcode: number, to: (pdu: TappedPdu) => Partial<TappedPdu> | null): Spoil =>
  pdus => {
    for (const [at, pdu] of pdus.entries()) {
      if (pdu.from !== from || pdu.opcode !== opcode) continue
      const changed = to(pdu)
      if (changed !== null) return pdus.with(at, { ...pdu, ...changed })
    }
    return null
  }

type Holds = (header: Buffer, pdu: TappedPdu) => boolean
type Edit = (header: Buffer) => unknown

/** Edits the header of the first PDU of this side and opcode for which a condition holds. */
export const editWhere = (from: Side, opcode: number, holds: Holds, alter: Edit): Spoil =>
  change(from, opcode, pdu => {
    if (!holds(pdu.header, pdu)) return null
    const header = Buffer.from(pdu.header)
    alter(header)
    return { header, opcode: header[0]! & 0x3f }
  })

export const edit = (from: Side, opcode: number, alter: Edit): Spoil =>
  editWhere(from, opcode, () => true, alter)

interface Settable {
  set(bytes: Uint8Array, at: number, value: number): void
}

export const set =
  (field: Settable, value: number): Edit =>
  header =>
    field.set(header, 0, value)

/** Leaves the first PDU of this side and opcode out for which a condition holds. */
export const drop =
  (from: Side, opcode: number, holds: Holds = () => true): Spoil =>
  pdus => {
    const at = pdus.findIndex(pdu => pdu.from === from && pdu.opcode === opcode && holds(pdu.header, pdu))
    return at < 0 ? null : pdus.toSpliced(at, 1)
  }
