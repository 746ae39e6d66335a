// SPDX-License-Identifier: Apache-2.0
// NOP-Out: the initiator's ping, or its answer to ours (RFC 7143, 11.18).
import { NOP_OUT, RESERVED_TAG, RejectReason } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { sendEcho } from '../outbound/nop-in.ts'

const { itt, ttt, immediate } = NOP_OUT.field

export function receiveNopOut(
  connection: Connection,
  header: Buffer,
  at: number,
  data: readonly Buffer[],
  length: number,
): void {
  const tag = itt.get(header, at)
  const transferTag = ttt.get(header, at)
  if (transferTag !== RESERVED_TAG) {
    if (transferTag === 0 || transferTag > connection.pings)
      connection.reject(RejectReason.protocolError, header, at, 'NOP-Out answers a ping that was not sent')
    else if (transferTag === connection.pings) connection.counters.answered()
    return
  }
  if (tag === RESERVED_TAG) {
    if (immediate.get(header, at) === 0) {
      connection.reject(RejectReason.invalidPduField, header, at, 'NOP-Out without a tag is not immediate')
    }
    return
  }
  if (connection.session!.target === null) {
    connection.reject(RejectReason.protocolError, header, at, 'Ping came in a discovery session')
    return
  }
  // The echo is cut to what the initiator takes.
  const { mostData } = connection
  if (length <= mostData) sendEcho(connection, tag, data, length)
  else sendEcho(connection, tag, [Buffer.concat(data).subarray(0, mostData)], mostData)
}
