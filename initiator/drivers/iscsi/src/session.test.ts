// SPDX-License-Identifier: Apache-2.0
// Sessions with a scripted target: windows, data on request, aborts, time limits, and the end.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { buildCdb, type TransportError } from '@lunkit/initiator-core'
import {
  BHS_LENGTH,
  DATA_OUT,
  NOP_IN,
  NOP_OUT,
  Opcode,
  R2T,
  READ_10,
  READ_32,
  RESERVED_TAG,
  SCSI_COMMAND,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { openSession } from './connect.ts'
import { type Pdu, type Peer, ScriptedTarget } from './scripted-target.test-kit.ts'
import type { SessionEvent } from './session-event.ts'

const READY = buildCdb(TEST_UNIT_READY, {})
const READ = buildCdb(READ_10, { lba: 5, blocks: 1 })
const WRITE = buildCdb(WRITE_10, { lba: 5, blocks: 8 })
const task = (pdu: Pdu) => TASK_MANAGEMENT_REQUEST.read(pdu.header)

function manage(pdu: Pdu, peer: Peer, response = 0): void {
  const fields = { opcode: Opcode.taskManagementResponse, final: 1, itt: pdu.itt, response }
  peer.sendStatus(TASK_MANAGEMENT_RESPONSE, fields)
}

// Requirement: RFC 7143, 10.2/2.
test('a command says what it wants, and its status, sense and residual come back', async () => {
  const sense = Buffer.from('70000500000000'.padEnd(36, '0'), 'hex')
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    const data = Buffer.concat([Buffer.from([0, 18]), sense, Buffer.from('response data')])
    peer.respond(pdu, { status: 2, underflow: 1, residualCount: 512 }, data)
  })
  await using session = await openSession(target.options)
  const result = await session.execute({ lun: 300, cdb: READ, expectedIn: 512, attribute: 2 })
  assert.equal(result.status, 2)
  assert.deepEqual(Buffer.from(result.sense), sense)
  assert.deepEqual([result.underflow, result.overflow, result.dataIn.length], [512, 0, 0])
  const sent = SCSI_COMMAND.read(target.heard.find(({ opcode }) => opcode === Opcode.scsiCommand)!.header)
  assert.equal(Buffer.from(sent.lun).toString('hex'), '412c000000000000')
  assert.deepEqual([sent.read, sent.write, sent.final, sent.attribute], [1, 0, 1, 2])
  assert.equal(sent.expectedDataTransferLength, 512)
  assert.equal(Buffer.from(sent.cdb).toString('hex'), Buffer.from(READ).toString('hex').padEnd(32, '0'))
})

test('a CDB of 32 bytes goes with an additional header segment', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu))
  await using session = await openSession(target.options)
  const cdb = buildCdb(READ_32, { lba: 0x1122334455, blocks: 7 })
  await session.execute({ lun: 0, cdb })
  const { header } = target.heard.find(({ opcode }) => opcode === Opcode.scsiCommand)!
  assert.equal(header.length, BHS_LENGTH + 20)
  assert.equal(header.subarray(BHS_LENGTH, BHS_LENGTH + 4).toString('hex'), '00110100')
  const whole = Buffer.concat([header.subarray(32, 48), header.subarray(BHS_LENGTH + 4)])
  assert.equal(whole.toString('hex'), Buffer.from(cdb).toString('hex'))
})

test('no more commands than the window and the queue depth allow', async () => {
  const held: [Pdu, Peer][] = []
  await using target = await ScriptedTarget.start((pdu, peer) => {
    // Numbers 1 to 3 may be used: three commands, and no fourth before the window opens.
    if (!peer.loggedIn) peer.maxCmdSn = 3
    if (pdu.opcode === Opcode.loginRequest) peer.login(pdu)
    else if (!peer.courtesy(pdu)) held.push([pdu, peer])
  })
  await using session = await openSession({ ...target.options, queueDepth: 8 })
  const commands = Array.from({ length: 20 }, () => session.execute({ lun: 0, cdb: READY }))
  const sent: number[] = []
  for (let answered = 0; answered < 20; answered++) {
    while (held.length === 0) await wait(1)
    await wait(2)
    sent.push(held.length)
    const [pdu, peer] = held.shift()!
    peer.expCmdSn++
    if (answered >= 2) peer.maxCmdSn += 4
    peer.respond(pdu)
  }
  await Promise.all(commands)
  assert.deepEqual(sent.slice(0, 3), [3, 2, 1])
  assert.equal(Math.max(...sent), 8)
  const numbers = target.heard.filter(({ opcode }) => opcode === Opcode.scsiCommand).map(({ cmdSn }) => cmdSn)
  assert.deepEqual(
    numbers,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
})

test('a target that never opens its window is given up', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    peer.maxCmdSn = 0
    if (pdu.opcode === Opcode.loginRequest) peer.login(pdu)
    else peer.courtesy(pdu)
  })
  await using session = await openSession({ ...target.options, commandTimeoutMs: 40 })
  const command = session.execute({ lun: 0, cdb: READY })
  await assert.rejects(command, { code: 'TRANSPORT_CLOSED', message: /window stays closed/ })
})

test('two hundred sessions leave no handle, listener or timer', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu))
  const stop = new AbortController()
  const cycle = async (): Promise<void> => {
    const session = await openSession({ ...target.options, signal: stop.signal })
    await session.execute({ lun: 0, cdb: READY, signal: stop.signal })
    await session.close()
    while (target.peers.some(({ socket }) => !socket.closed)) await wait(1)
    target.peers.length = 0
  }
  await cycle()
  const before = process.getActiveResourcesInfo().toSorted()
  for (let i = 0; i < 200; i++) await cycle()
  assert.deepEqual(process.getActiveResourcesInfo().toSorted(), before)
  assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
})

const LIMITS = { FirstBurstLength: '1024', MaxBurstLength: '2048', MaxRecvDataSegmentLength: '768' }
const BURSTS: readonly (readonly [
  InitialR2T: string,
  ImmediateData: string,
  first: number,
  before: number,
])[] = [
  ['Yes', 'No', 0, 0],
  ['Yes', 'Yes', 768, 768],
  ['No', 'No', 0, 1024],
  ['No', 'Yes', 768, 1024],
]
for (const [InitialR2T, ImmediateData, first, before] of BURSTS) {
  // Requirement: RFC 7143, 13.10/3 and 13.11/4 and 13.12/3 and 13.13/4 and 13.14/6.
  test(`write data within the limits, InitialR2T=${InitialR2T}, ImmediateData=${ImmediateData}`, async () => {
    const got = Buffer.alloc(4096)
    const seen: [ttt: number, dataSn: number, offset: number, length: number, final: number][] = []
    let sentFirst = -1
    let asked = before
    await using target = await ScriptedTarget.logsIn(
      (pdu, peer) => {
        const ask = (): void => {
          const desiredLength = Math.min(2048, 4096 - asked)
          const r2tSn = seen.filter(([ttt, , , , final]) => ttt !== RESERVED_TAG && final === 1).length
          const { itt } = command!
          const fields = {
            opcode: Opcode.r2t,
            final: 1,
            itt,
            ttt: 77,
            r2tSn,
            bufferOffset: asked,
            desiredLength,
          }
          peer.send(R2T, fields)
          asked += desiredLength
        }
        if (pdu.opcode === Opcode.scsiCommand) {
          command = pdu
          sentFirst = pdu.data.length
          pdu.data.copy(got)
          if (SCSI_COMMAND.field.final.get(pdu.header, 0) === 1) ask()
          return
        }
        assert.equal(pdu.opcode, Opcode.dataOut)
        const { ttt, dataSn, bufferOffset, final } = DATA_OUT.read(pdu.header)
        seen.push([ttt, dataSn, bufferOffset, pdu.data.length, final])
        pdu.data.copy(got, bufferOffset)
        if (final === 0) return
        if (asked < 4096) ask()
        else peer.respond(command!)
      },
      { ...LIMITS, InitialR2T, ImmediateData },
    )
    let command: Pdu | null = null
    await using session = await openSession(target.options)
    const dataOut = Buffer.from(Array.from({ length: 4096 }, (_, i) => i % 251))
    await session.execute({ lun: 0, cdb: WRITE, dataOut })
    assert.ok(got.equals(dataOut))
    assert.equal(sentFirst, first)
    assert.ok(seen.every(([, , , length]) => length <= 768))
    const unsolicited = seen.filter(([ttt]) => ttt === RESERVED_TAG)
    assert.equal(
      unsolicited.reduce((sum, [, , , length]) => sum + length, 0),
      before - first,
    )
    // Each sequence counts from zero, and its last PDU alone is final.
    for (const [i, [, dataSn, , , final]] of seen.entries()) {
      assert.equal(dataSn, i === 0 || seen[i - 1]![4] === 1 ? 0 : seen[i - 1]![1] + 1)
      assert.equal(final, i + 1 === seen.length || seen[i + 1]![1] === 0 ? 1 : 0)
    }
  })
}

test('a ping of the target is answered with its tag', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    if (pdu.opcode === Opcode.nopOut) return peer.respond(held!)
    held = pdu
    peer.send(NOP_IN, {
      opcode: Opcode.nopIn,
      final: 1,
      itt: RESERVED_TAG,
      ttt: 0xcafe,
      lun: Buffer.from([0, 9]),
    })
  })
  let held: Pdu | null = null
  await using session = await openSession(target.options)
  await session.execute({ lun: 0, cdb: READY })
  const pong = NOP_OUT.read(target.heard.find(({ opcode }) => opcode === Opcode.nopOut)!.header)
  assert.deepEqual(
    [pong.itt, pong.ttt, pong.immediate, pong.final, pong.lun[1]],
    [RESERVED_TAG, 0xcafe, 1, 1, 9],
  )
})

test('a silent target is probed, and given up', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    if (pdu.opcode === Opcode.loginRequest) peer.login(pdu)
  })
  const lost = Promise.withResolvers<SessionEvent>()
  const onEvent = (event: SessionEvent): void => (event.type === 'lost' ? lost.resolve(event) : undefined)
  const session = await openSession({ ...target.options, nopIntervalMs: 40, onEvent })
  const event = await lost.promise
  assert.match((event as { error: TransportError }).error.message, /did not answer a ping/)
  assert.equal(target.heard.at(-1)!.opcode, Opcode.nopOut)
  await session.close()
})

test('a signal aborts the command at the target and rejects with its reason', async () => {
  const stop = new AbortController()
  let command: Pdu | null = null
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    if (pdu.opcode === Opcode.taskManagementRequest) return manage(pdu, peer)
    if (command !== null) return peer.respond(pdu)
    command = pdu
    stop.abort(new Error('not needed'))
  })
  await using session = await openSession(target.options)
  const aborted = session.execute({ lun: 3, cdb: READ, expectedIn: 512, signal: stop.signal })
  await assert.rejects(aborted, { message: 'not needed' })
  const request = task(target.heard.find(({ opcode }) => opcode === Opcode.taskManagementRequest)!)
  assert.deepEqual(
    [request.function, request.referencedTaskTag, request.refCmdSn, request.lun[1]],
    [1, command!.itt, command!.cmdSn, 3],
  )
  // The session goes on.
  assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  await assert.rejects(session.execute({ lun: 0, cdb: READY, signal: stop.signal }), {
    message: 'not needed',
  })
})

// Requirement: RFC 7143, 7.11/3.
test('a command over its time is aborted; a target deaf to the abort loses its connection', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    if (pdu.opcode === Opcode.taskManagementRequest && peer.number === 1) manage(pdu, peer, 1)
    if (pdu.opcode === Opcode.taskManagementRequest && peer.number === 2) manage(pdu, peer, 5)
  })
  for (let i = 0; i < 2; i++) {
    const session = await openSession({ ...target.options, commandTimeoutMs: 30 })
    await assert.rejects(session.execute({ lun: 0, cdb: READY }), { code: 'TRANSPORT_TIMEOUT' })
    await session.close()
  }
})

test('task management: functions, answers, and the commands that a reset ends', async () => {
  const held: Pdu[] = []
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    if (pdu.opcode !== Opcode.taskManagementRequest) held.push(pdu)
    else manage(pdu, peer, { 5: 0, 2: 2, 3: 5, 4: 255 }[task(pdu).function])
  })
  const session = await openSession(target.options)
  const one = session.execute({ lun: 1, cdb: READY })
  const other = session.execute({ lun: 2, cdb: READY })
  const outcome = assert.rejects(one, { code: 'TRANSPORT_TASK_ABORTED' })
  assert.equal(await session.manage('logical-unit-reset', 1), 'complete')
  await outcome
  assert.equal(await session.manage('abort-task-set', 1), 'no-such-lun')
  assert.equal(await session.manage('clear-aca', 1), 'unsupported')
  assert.equal(await session.manage('clear-task-set', 1), 'rejected')
  while (held.length < 2) await wait(1)
  target.peers[0]!.respond(held[1]!)
  assert.equal((await other).status, 0)
  await session.close()
})

// Requirement: RFC 7143, 11.14/6.
test('a close lets commands end, logs out once, and refuses what comes later', async () => {
  await using target = await ScriptedTarget.logsIn(
    (pdu, peer) => void setTimeout(() => peer.respond(pdu), 20),
  )
  const session = await openSession({ ...target.options, queueDepth: 2 })
  const commands = Array.from({ length: 6 }, () => session.execute({ lun: 0, cdb: READY }))
  const closed = [session.close(), session.close()]
  await assert.rejects(session.execute({ lun: 0, cdb: READY }), { code: 'TRANSPORT_CLOSED' })
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  await Promise.all(closed)
  assert.equal(target.heard.filter(({ opcode }) => opcode === Opcode.logoutRequest).length, 1)
  await assert.rejects(session.ping(), { code: 'TRANSPORT_CLOSED' })
})

test('what cannot be sent is refused before it is', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu))
  await using session = await openSession(target.options)
  const both = { dataOut: Buffer.alloc(512), expectedIn: 512 }
  await assert.rejects(session.execute({ lun: 0, cdb: READ, ...both }), { code: 'UNSUPPORTED' })
  await assert.rejects(session.execute({ lun: 0, cdb: new Uint8Array(5) }), { code: 'ARGUMENT_INVALID' })
  await assert.rejects(session.execute({ lun: 16_384, cdb: READ }), { code: 'ARGUMENT_INVALID' })
  await assert.rejects(session.execute({ lun: new Uint8Array(7), cdb: READ }), { code: 'ARGUMENT_INVALID' })
})
