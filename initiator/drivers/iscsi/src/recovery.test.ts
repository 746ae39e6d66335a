// SPDX-License-Identifier: Apache-2.0
// Recovery with a scripted target: what is sent again, what fails, and when a session is given up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildCdb } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  COMPARE_AND_WRITE,
  DATA_IN,
  LOGIN_REQUEST,
  Opcode,
  READ_10,
  RESERVED_TAG,
  SCSI_COMMAND,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { openSession } from './connect.ts'
import { type Pdu, type Peer, ScriptedTarget } from './scripted-target.test-kit.ts'
import type { SessionEvent } from './session-event.ts'

const READY = buildCdb(TEST_UNIT_READY, {})
const READ = buildCdb(READ_10, { lba: 5, blocks: 1 })
const FAST = { attempts: 5, delays: [0] }

function answerRead(pdu: Pdu, peer: Peer, fill: number): void {
  const fields = { opcode: Opcode.dataIn, final: 1, itt: pdu.itt, ttt: RESERVED_TAG, statusPresent: 1 }
  peer.sendStatus(DATA_IN, fields, Buffer.alloc(512, fill))
}

// Requirement: RFC 7143, 6.3.5/3.
test('what may be repeated is repeated after a lost connection, in order; the rest fails and says so', async () => {
  const seen: string[] = []
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    const lba = SCSI_COMMAND.read(pdu.header).cdb[5]!
    seen.push(`${peer.number}:${lba}`)
    if (peer.number === 1) return seen.length === 4 ? void peer.socket.destroy() : undefined
    answerRead(pdu, peer, lba)
  })
  const events: SessionEvent[] = []
  const options = {
    ...target.options,
    reconnect: FAST,
    onEvent: (event: SessionEvent) => void events.push(event),
  }
  await using session = await openSession(options)
  const read = (lba: number) =>
    session.execute({ lun: 0, cdb: buildCdb(READ_10, { lba, blocks: 1 }), expectedIn: 512, repeatable: true })
  const compare = buildCdb(COMPARE_AND_WRITE, { lba: 2, blocks: 1 })
  const reads = [read(1)]
  const swap = assert.rejects(session.execute({ lun: 0, cdb: compare, dataOut: Buffer.alloc(1024) }), {
    code: 'TRANSPORT_CONNECTION_LOST',
    message: /not known whether the command ran/,
  })
  reads.push(read(3), read(4))
  await swap
  for (const [i, { dataIn }] of (await Promise.all(reads)).entries()) {
    assert.ok(dataIn.every(byte => byte === [1, 3, 4][i]))
  }
  assert.deepEqual(seen.slice(4), ['2:1', '2:3', '2:4'])
  assert.deepEqual(
    events.map(({ type }) => type),
    ['connected', 'lost', 'reconnecting', 'reconnected'],
  )
  const [first, second] = target.heard
    .filter(({ opcode }) => opcode === Opcode.loginRequest)
    .filter((_, i) => i % 2 === 0)
    .map(({ header }) => LOGIN_REQUEST.read(header))
  assert.deepEqual(first!.isid, second!.isid)
  assert.equal(second!.tsih, 0)
})

test('a command that ends every connection is not repeated for ever', async () => {
  await using target = await ScriptedTarget.logsIn((_, peer) => void peer.socket.destroy())
  await using session = await openSession({ ...target.options, reconnect: { attempts: 6, delays: [0] } })
  await assert.rejects(session.execute({ lun: 0, cdb: READ, expectedIn: 512, repeatable: true }), {
    code: 'TRANSPORT_CONNECTION_LOST',
  })
  assert.equal(target.heard.filter(({ opcode }) => opcode === Opcode.scsiCommand).length, 4)
})

test('a target that lets in and throws out is given up', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    peer.login(pdu)
    if (peer.loggedIn) peer.socket.end()
  })
  const gone = Promise.withResolvers<void>()
  const onEvent = ({ type }: SessionEvent): void => (type === 'gave-up' ? gone.resolve() : undefined)
  const session = await openSession({ ...target.options, reconnect: FAST, onEvent })
  await gone.promise
  await assert.rejects(session.execute({ lun: 0, cdb: READY }), { code: 'TRANSPORT_CLOSED' })
  assert.equal(target.peers.length, 6)
  await session.close()
})

test('a refused login ends recovery at once', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    if (peer.number > 1) peer.login(pdu, {}, { statusClass: 2, statusDetail: 1, transit: 0 })
    else if (pdu.opcode === Opcode.loginRequest) peer.login(pdu)
    else peer.socket.destroy()
  })
  const session = await openSession({ ...target.options, reconnect: { attempts: 50, delays: [0] } })
  const read = session.execute({ lun: 0, cdb: READ, expectedIn: 512, repeatable: true })
  await assert.rejects(read, { code: 'TRANSPORT_CLOSED', message: /Authentication failure/ })
  assert.equal(target.peers.length, 2)
  await session.close()
})

test('a logout that the target asks for is done when commands have ended, and undone by a new login', async () => {
  const held: Pdu[] = []
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    if (peer.number > 1) return peer.respond(pdu)
    held.push(pdu)
    const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 1, parameter3: 5 }
    peer.sendStatus(ASYNC_MESSAGE, fields)
    setImmediate(() => peer.respond(pdu))
  })
  const events: string[] = []
  const onEvent = (event: SessionEvent): void => void events.push(event.type)
  await using session = await openSession({ ...target.options, reconnect: FAST, onEvent })
  assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  assert.deepEqual(events, ['connected', 'async', 'lost', 'reconnecting', 'reconnected'])
  assert.ok(target.heard.some(({ opcode }) => opcode === Opcode.logoutRequest))
})

test('a close during recovery ends what waits', async () => {
  await using target = await ScriptedTarget.logsIn((_, peer) => void peer.socket.destroy())
  const lost = Promise.withResolvers<void>()
  const onEvent = ({ type }: SessionEvent): void => (type === 'reconnecting' ? lost.resolve() : undefined)
  const session = await openSession({
    ...target.options,
    reconnect: { attempts: 1, delays: [60_000] },
    onEvent,
  })
  const read = session.execute({ lun: 0, cdb: READ, expectedIn: 512, repeatable: true })
  const outcome = assert.rejects(read, { code: 'TRANSPORT_CLOSED' })
  await lost.promise
  await session.close()
  await outcome
})
