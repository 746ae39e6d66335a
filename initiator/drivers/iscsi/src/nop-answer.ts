// SPDX-License-Identifier: Apache-2.0
// Answers the target by a NOP-Out without a task tag: to its pings and where it wants a message acknowledged (RFC 7143, 11.18).
import { NOP_OUT, Opcode, RESERVED_TAG } from '@lunkit/spec'
import type { FullFeature } from './full-feature.ts'

/** `lun` and `ttt` are those of the ping; without one the transfer tag is the reserved one. Throws a TransportError like `countAnswer`. */
export function answerByNop({ connection, links }: FullFeature, lun: Uint8Array, ttt: number): void {
  connection.countAnswer()
  const at = connection.begin()
  const { cmdSn } = links.window
  const { expStatSn } = connection
  const fields = { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: RESERVED_TAG }
  NOP_OUT.write({ ...fields, lun, ttt, cmdSn, expStatSn }, connection.staging, at)
  connection.end()
}
