// SPDX-License-Identifier: Apache-2.0
// The trace: a line for each PDU in and out, with commands, status and sense in words, and without data.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOP_OUT, Opcode, RESERVED_TAG } from '@lunkit/spec'
import { BLOCK, read10, withBench, write10 } from '@lunkit/testing/kit/iscsi-bench.ts'

test('each PDU is a line: direction, peer, session, connection, and the PDU in words', () => {
  const lines: string[] = []
  return withBench({ trace: line => void lines.push(line) }, async bench => {
    const peer = await bench.peer({ keys: { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' } })
    const peerAddress = bench.of('session-opened')[0]!.address
    assert.match(lines[0]!, new RegExp(`^in {2}${peerAddress} session=0 cid=0 Login Request `))
    assert.match(lines[1]!, new RegExp(`^out ${peerAddress} session=1 cid=1 Login Response \\(Success\\) `))
    assert.ok(
      lines.some(line => /^out .* SCSI Response \(CHECK CONDITION: UNIT ATTENTION: POWER ON/.test(line)),
    )
    lines.length = 0
    peer.command(read10(3, 2), { read: 1, expectedDataTransferLength: 2 * BLOCK })
    await peer.receive(Opcode.dataIn)
    const data = Buffer.from('a secret of somebody'.padEnd(BLOCK))
    peer.command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK }, data)
    await peer.receive(Opcode.scsiResponse)
    peer.command(read10(0x7fff_ffff, 1), { read: 1, expectedDataTransferLength: BLOCK })
    await peer.receive(Opcode.scsiResponse)
    const bad = peer.build(
      NOP_OUT,
      { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 9, ttt: RESERVED_TAG } as never,
      Buffer.from('ping'),
    )
    bad[bad.length - 1]! ^= 1
    peer.send(bad)
    await peer.receive(Opcode.reject)
    const words = [
      /^in .* SCSI Command \(READ \(10\) lba=3 blocks=2\) /,
      /^out .* SCSI Data-In \(GOOD\) dataSegmentLength=1024 /,
      /^in .* SCSI Command \(WRITE \(10\) lba=0 blocks=1\) /,
      /^out .* SCSI Response \(GOOD\) /,
      /^in .* SCSI Command \(READ \(10\) lba=2147483647 blocks=1\) /,
      /^out .* SCSI Response \(CHECK CONDITION: ILLEGAL REQUEST: LOGICAL BLOCK ADDRESS OUT OF RANGE /,
      /^in .* NOP-Out .* \[data digest is wrong\]$/,
      /^out .* Reject \(Data digest error\) /,
    ]
    assert.equal(lines.length, words.length, lines.join('\n'))
    for (const [i, pattern] of words.entries()) assert.match(lines[i]!, pattern)
    assert.ok(lines.every(line => /^[ -~]+$/.test(line) && !line.includes('secret')))
  })
})
