// SPDX-License-Identifier: Apache-2.0
// Data-Out: only the next bytes of the sequence that is due are taken; anything else fails the task (RFC 7143, 11.7).
import { DATA_OUT, RESERVED_TAG, RejectReason } from '@lunkit/spec'
import { DATA_DAMAGED, DATA_INCORRECT } from '../condition.ts'
import type { Connection } from '../connection.ts'
import type { IscsiTask } from '../iscsi-task.ts'
import { endSequence, keepData } from '../write-data.ts'
import { keepBehind } from './data-behind.ts'

const { itt, ttt, final, dataSn, bufferOffset } = DATA_OUT.field
/** Where the LUN stands in the header. */
const LUN_AT = 8

export function receiveDataOut(
  connection: Connection,
  header: Buffer,
  at: number,
  data: Buffer[],
  length: number,
  damaged: boolean,
): void {
  const session = connection.session!
  const tag = itt.get(header, at)
  const transferTag = ttt.get(header, at)
  const solicited = transferTag !== RESERVED_TAG
  const one = solicited ? session.byTransferTag(transferTag, tag) : session.tasks.get(tag)
  const due = one?.connection === connection && (solicited ? one.isDue(transferTag) : one.unsolicited)
  if (!due) {
    if (one === undefined && !solicited && keepBehind(connection, header, at, data, length, damaged)) return
    // After an abort the initiator may still send what was asked for; the answer may not have gone yet.
    if (session.isRetired(tag)) {
      if (damaged) connection.reject(RejectReason.dataDigestError, header, at, 'Data digest is wrong')
      return
    }
    connection.reject(RejectReason.invalidPduField, header, at, 'Data-Out that is not awaited')
    return
  }
  const ends = final.get(header, at) === 1
  if (damaged) {
    connection.reject(RejectReason.dataDigestError, header, at, 'Data digest is wrong')
    if (session.recovery === null) one.fault ??= DATA_DAMAGED
    else one.skipping = true
  } else if (one.fault === null && !one.skipping) {
    const wrong = faultOf(one, header, at, length, ends, solicited)
    if (wrong === null) {
      connection.counters.bytesWritten += length
      keepData(one, data, connection.lent, length)
    } else {
      connection.reject(RejectReason.protocolError, header, at, wrong)
      // What is missing must have been lost (RFC 7143, 7.9).
      one.fault = dataSn.get(header, at) === one.dataSn ? DATA_INCORRECT : DATA_DAMAGED
    }
  }
  if (connection.over) return
  if (one.fault !== null) {
    one.wasted += length
    if (one.wasted > one.expected + session.parameters.maxBurst) {
      connection.protocolError(header, at, 'Data-Out goes on without an end')
      return
    }
  }
  if (ends && solicited && one.fault === null && !one.skipping && one.got < one.sequenceEnd) {
    connection.blame(header, at, `Sequence ends at ${one.got} instead of ${one.sequenceEnd}`)
    if (connection.over) return
  }
  if (ends) endSequence(connection, one, solicited)
}

/** What is wrong with the order or the length of a Data-Out; null if it is the next piece of its sequence. */
function faultOf(
  one: IscsiTask,
  header: Buffer,
  at: number,
  length: number,
  ends: boolean,
  solicited: boolean,
): string | null {
  // Reserved where no transfer tag is given (RFC 7143, 11.7.4).
  if (solicited && !isFor(one, header, at)) return 'LUN is not that of the command'
  const number = dataSn.get(header, at)
  if (number !== one.dataSn) return `DataSN is ${number} instead of ${one.dataSn}`
  const offset = bufferOffset.get(header, at)
  if (offset !== one.got) {
    return `Buffer offset ${offset} ${offset > one.got ? 'leaves a gap after' : 'overlaps'} ${one.got}`
  }
  const end = offset + length
  if (end > one.sequenceEnd) return `Data goes to ${end}, beyond the sequence's end at ${one.sequenceEnd}`
  if (!ends && end === one.sequenceEnd) return 'Sequence is complete, but its last PDU does not say so'
  return null
}

const isFor = ({ lunHigh, lunLow }: IscsiTask, header: Buffer, at: number): boolean =>
  header.readUInt32BE(at + LUN_AT) === lunHigh && header.readUInt32BE(at + LUN_AT + 4) === lunLow
