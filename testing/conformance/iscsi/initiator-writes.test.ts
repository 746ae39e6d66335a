// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143 on write data and tags that bind an initiator: where data go, how much goes unasked, and in which order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import { BHS, DATA_OUT, Opcode, RESERVED_TAG, RejectReason, SCSI_COMMAND } from '@lunkit/spec'
import type { Pdu, Peer } from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'
import {
  answerFunction,
  answerText,
  ask,
  BYTES,
  DATA,
  READY,
  refuse,
  serve,
  WRITE,
} from './scripted-answers.ts'

interface Write {
  readonly command: Pdu
  readonly peer: Peer
  readonly got: Buffer
  /** Bytes that came without being asked for, those in the command itself, and up to where data have come. */
  unasked: number
  immediate: number
  end: number
  ttt: number
  r2ts: number
}

const isFinal = ({ header }: Pdu): boolean => BHS.field.final.get(header, 0) === 1
const lunOf = ({ header }: Pdu): number => BHS.field.lun.get(header, 0)[1]!

/** Takes writes of 4096 bytes, asks for what does not come by itself, and holds each PDU against its command. */
function taker(burst: number) {
  const writes = new Map<number, Write>()
  const done: Write[] = []
  /** Tags of the commands in the order of their unsolicited data, for each connection. */
  const order = new Map<number, number[]>()
  let tags = 100
  const next = (write: Write): void => {
    const { command, peer, end } = write
    if (end === BYTES) {
      writes.delete(command.itt)
      done.push(write)
      peer.respond(command)
      return
    }
    write.ttt = tags++
    const desiredLength = Math.min(burst, BYTES - end)
    ask(command, peer, { ttt: write.ttt, r2tSn: write.r2ts++, bufferOffset: end, desiredLength })
  }
  const take = (pdu: Pdu, peer: Peer): void => {
    if (pdu.opcode === Opcode.scsiCommand) {
      assert.equal(SCSI_COMMAND.field.expectedDataTransferLength.get(pdu.header, 0), BYTES)
      assert.equal(writes.has(pdu.itt), false)
      const length = pdu.data.length
      const fresh = { command: pdu, peer, got: Buffer.alloc(BYTES), ttt: RESERVED_TAG, r2ts: 0 }
      const one = { ...fresh, unasked: length, immediate: length, end: length }
      pdu.data.copy(one.got)
      writes.set(pdu.itt, one)
      if (isFinal(pdu)) next(one)
      return
    }
    const one = writes.get(pdu.itt)!
    const { ttt, bufferOffset } = DATA_OUT.read(pdu.header)
    assert.equal(peer.number, one.peer.number)
    assert.deepEqual([ttt, bufferOffset], [one.ttt, one.end])
    // Without a transfer tag there is no LUN.
    assert.equal(lunOf(pdu), ttt === RESERVED_TAG ? 0 : lunOf(one.command))
    pdu.data.copy(one.got, bufferOffset)
    one.end += pdu.data.length
    if (ttt === RESERVED_TAG) {
      one.unasked += pdu.data.length
      order.set(peer.number, [...(order.get(peer.number) ?? []), one.command.cmdSn])
    }
    if (isFinal(pdu)) next(one)
  }
  return { take, done, order }
}

// Requirement: RFC 7143, 4.2.5.1/3 and 4.2.5.2/5 and 4.2.5.2/6 and 4.2.5.2/7 and 4.6.1.5/1.
for (const [InitialR2T, ImmediateData, first] of [
  ['No', 'Yes', 1536],
  ['No', 'No', 1536],
  ['No', 'Yes', 8192],
  ['Yes', 'Yes', 1536],
  ['Yes', 'No', 1536],
] as const) {
  const name = `InitialR2T=${InitialR2T}, ImmediateData=${ImmediateData}, FirstBurstLength=${first}`
  test(`writes over three connections, ${name}`, async () => {
    const { take, done, order } = taker(1024)
    await using target = await serve(
      (pdu, peer) => {
        if (!peer.courtesy(pdu)) take(pdu, peer)
      },
      { InitialR2T, ImmediateData, FirstBurstLength: String(first), MaxRecvDataSegmentLength: '512' },
    )
    await using session = await openSession({ ...target.options, connections: 3, queueDepth: 8 })
    const commands = Array.from({ length: 20 }, (_, lun) =>
      session.execute({ lun: lun % 5, cdb: WRITE, dataOut: DATA }),
    )
    for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
    assert.equal(done.length, 20)
    for (const { got, unasked, immediate } of done) {
      assert.ok(got.equals(DATA))
      // Either nothing but what comes in the command, or as much as there may be.
      if (unasked > immediate) assert.equal(unasked, Math.min(first, BYTES))
      if (InitialR2T === 'Yes') assert.equal(unasked, immediate)
      if (ImmediateData === 'No') assert.equal(immediate, 0)
    }
    assert.ok(InitialR2T === 'Yes' || order.size === 3)
    for (const numbers of order.values())
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
  })
}

// Requirement: RFC 7143, 4.2.5.3/2.
test('tags of all that is under way are different, over all connections', async () => {
  const tags: number[] = []
  const held: [Pdu, Peer][] = []
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.logoutRequest) return void peer.courtesy(pdu)
    tags.push(pdu.itt)
    held.push([pdu, peer])
    if (held.length < 20) return
    for (const [one, its] of held.splice(0)) {
      if (one.opcode === Opcode.taskManagementRequest) answerFunction(one, its, 5)
      else if (one.opcode === Opcode.textRequest) answerText(one, its)
      else if (!its.courtesy(one)) its.respond(one)
    }
  })
  await using session = await openSession({ ...target.options, connections: 3 })
  for (let round = 0; round < 5; round++) {
    const commands = Array.from({ length: 14 }, () => session.execute({ lun: 0, cdb: READY }))
    const others = [session.ping(), session.manage('clear-aca', 0), session.ping()]
    // One text request for each of the connections.
    await Promise.all([...commands, ...others, session.renegotiate()])
  }
  assert.equal(tags.length, 100)
  assert.equal(new Set(tags).size, 100)
})

test('data that are rejected do not end their command: its status still comes, and counts', async () => {
  for (const level of [0, 1]) {
    let command: Pdu | null = null
    await using target = await serve(
      (pdu, peer) => {
        if (peer.courtesy(pdu)) return
        if (pdu.opcode === Opcode.dataOut) {
          refuse(peer, RejectReason.dataDigestError, pdu)
          peer.respond(command!, { status: 2 })
        } else if (command !== null) peer.respond(pdu)
        else {
          command = pdu
          ask(pdu, peer, { ttt: 5, r2tSn: 0, bufferOffset: 0, desiredLength: BYTES })
        }
      },
      { InitialR2T: 'Yes', ImmediateData: 'No', ErrorRecoveryLevel: String(level) },
    )
    await using session = await openSession({ ...target.options, errorRecoveryLevel: level })
    assert.equal((await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })).status, 2)
    assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
    assert.equal(target.peers.length, 1)
  }
})
