// SPDX-License-Identifier: Apache-2.0
// A write that the target asks the data for: sent again while it is BUSY with what another peer left behind.
import { BHS, Opcode, readSense, SCSI_RESPONSE, SenseKey, Status } from '@lunkit/spec'
import type { Peer } from './peer.ts'

type Sent = ReturnType<Peer['command']>
type Answer = NonNullable<Awaited<ReturnType<Peer['answer']>>>

/** An ACA condition lasts until the session that had it is cut off: that takes longer than any of its peers waits. */
const TRIES = 100
const PAUSE_MS = 100

/** The command's tag, and its R2T; null if there was none. `mayBeDone`: it may have brought all its data. */
export async function patientWrite(
  peer: Peer,
  command: () => Sent,
  mayBeDone = false,
): Promise<{ itt: number; answer: Answer | null }> {
  for (let tries = 1; ; tries++) {
    const { itt, pdu } = command()
    peer.send(pdu)
    const answer = await peer.answer(
      ({ opcode, header }) =>
        BHS.field.itt.get(header, 0) === itt && (opcode === Opcode.r2t || opcode === Opcode.scsiResponse),
    )
    if (answer === null || answer.opcode === Opcode.r2t) return { itt, answer }
    const status = SCSI_RESPONSE.field.status.get(answer.header, 0)
    if (status === Status.good && mayBeDone) return { itt, answer }
    const sense = readSense(answer.data.subarray(2))
    // What barred the commands after the login left its unit attention, too.
    const repeats = status === Status.busy || sense?.key === SenseKey.unitAttention
    if (!repeats || tries === TRIES) {
      throw new Error(`A write got no R2T but status ${status}, ${answer.data.toString('hex')}`)
    }
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
  }
}
