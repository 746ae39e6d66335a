// SPDX-License-Identifier: Apache-2.0
// Unsolicited data of a command that waits for a lower CmdSN on another connection: kept with it, and taken after it.
import { DATA_OUT, Opcode, SCSI_COMMAND } from '@lunkit/spec'
import type { Parked } from '../command-window.ts'
import type { Connection } from '../connection.ts'
import { PARKED_BYTES } from '../defence/session-memory.ts'
import { copies } from '../gather.ts'
import type { Session } from '../session.ts'

const { opcode, itt, final, write } = SCSI_COMMAND.field
const HEADER_BYTES = 48
/** What a kept PDU costs besides its data. */
const PDU_BYTES = 256

/** Whether a header is that of a write with unsolicited data behind it. */
export const isUnfinishedWrite = (header: Buffer, at: number): boolean =>
  opcode.get(header, at) === Opcode.scsiCommand && write.get(header, at) === 1 && final.get(header, at) === 0

/** The command that waits on this connection with this tag and unsolicited data to come, or null. */
function waiting(connection: Connection, tag: number): Parked | null {
  const { window } = connection.session!
  if (window.parkedCount === 0) return null
  for (const [, parked] of window.parked()) {
    const isIt = parked.connection === connection && itt.get(parked.header, 0) === tag
    if (isIt && isUnfinishedWrite(parked.header, 0)) return parked
  }
  return null
}

/** Keeps a Data-Out with the command that it is for; returns false if none waits for it. */
export function keepBehind(
  connection: Connection,
  header: Buffer,
  at: number,
  data: readonly Buffer[],
  length: number,
  damaged: boolean,
): boolean {
  const parked = waiting(connection, DATA_OUT.field.itt.get(header, at))
  if (parked === null) return false
  if (parked.isCrowded) return true
  const session = connection.session!
  const { window } = session
  const bytes = length + PDU_BYTES
  if (!connection.port.early.parks(session, bytes)) window.crowd(parked)
  else {
    const copy = Buffer.from(header.subarray(at, at + HEADER_BYTES))
    window.addTo(parked, { header: copy, data: copies(data), length, damaged }, bytes)
  }
  return true
}

/** The command that the others wait for does not come: nothing of their data is kept beyond what each session may have. */
export function letGo({ window }: Session): void {
  for (const [, parked] of window.parked()) {
    if (window.parkedBytes <= PARKED_BYTES) return
    if (parked.bytes > 0 && opcode.get(parked.header, 0) === Opcode.scsiCommand) window.crowd(parked)
  }
}
