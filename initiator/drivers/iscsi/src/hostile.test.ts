// SPDX-License-Identifier: Apache-2.0
// Targets that break the rules after login: no crash, no stray byte, and the command fails with the cause.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildCdb, TransportError } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  DATA_IN,
  NOP_IN,
  Opcode,
  R2T,
  READ_10,
  REJECT,
  RESERVED_TAG,
  TEXT_RESPONSE,
  WRITE_10,
} from '@lunkit/spec'
import { obeyMessage } from './async-message.ts'
import { openSession } from './connect.ts'
import { discover } from './discovery.ts'
import type { FullFeature } from './full-feature.ts'
import { type Pdu, type Peer, ScriptedTarget } from './scripted-target.test-kit.ts'

type Answer = (pdu: Pdu, peer: Peer) => void
const READ = buildCdb(READ_10, { lba: 0, blocks: 4 })
const WRITE = buildCdb(WRITE_10, { lba: 0, blocks: 4 })
const BYTES = 2048
const data = (length: number): Buffer => Buffer.alloc(length, 0xdd)

const dataIn = (pdu: Pdu, peer: Peer, values: Record<string, unknown>, length: number): void =>
  peer.send(DATA_IN, { opcode: Opcode.dataIn, itt: pdu.itt, ttt: RESERVED_TAG, ...values }, data(length))
const dataInStatus = (pdu: Pdu, peer: Peer, values: Record<string, unknown>, length: number): void => {
  dataIn(pdu, peer, { final: 1, statusPresent: 1, ...values }, length)
  peer.statSn++
}
const r2t = (pdu: Pdu, peer: Peer, values: Record<string, unknown>): void =>
  peer.send(R2T, { opcode: Opcode.r2t, final: 1, itt: pdu.itt, ttt: 5, desiredLength: BYTES, ...values })

const READS: Readonly<Record<string, readonly [code: string, answer: Answer]>> = {
  'data beyond the buffer': ['TRANSPORT_PROTOCOL', (p, peer) => dataIn(p, peer, {}, BYTES + 4)],
  'data at an offset beyond the buffer': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => dataIn(p, peer, { bufferOffset: 0xffff_fff0 }, 512),
  ],
  'data with a gap': ['TRANSPORT_PROTOCOL', (p, peer) => dataIn(p, peer, { bufferOffset: 512 }, 512)],
  'the same data twice': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => {
      dataIn(p, peer, {}, 512)
      dataIn(p, peer, { dataSn: 1 }, 512)
    },
  ],
  'a wrong DataSN': ['TRANSPORT_PROTOCOL', (p, peer) => dataIn(p, peer, { dataSn: 1 }, 512)],
  'data for no task': ['TRANSPORT_PROTOCOL', (_, peer) => dataIn({ itt: 0x1234_5678 } as Pdu, peer, {}, 512)],
  'data for the reserved tag': [
    'TRANSPORT_PROTOCOL',
    (_, peer) => dataIn({ itt: RESERVED_TAG } as Pdu, peer, {}, 512),
  ],
  'an R2T for a read': ['TRANSPORT_PROTOCOL', (p, peer) => r2t(p, peer, {})],
  'GOOD with data missing': [
    'TRANSPORT_DATA_MISSING',
    (p, peer) => {
      dataIn(p, peer, {}, 512)
      peer.respond(p, { expDataSn: 1 })
    },
  ],
  'GOOD in the last data PDU, with data missing': [
    'TRANSPORT_DATA_MISSING',
    (p, peer) => dataInStatus(p, peer, {}, 512),
  ],
  'more data PDUs counted than came': [
    'TRANSPORT_DATA_MISSING',
    (p, peer) => {
      dataIn(p, peer, {}, BYTES)
      peer.respond(p, { expDataSn: 2 })
    },
  ],
  'a residual above what was expected': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => peer.respond(p, { underflow: 1, residualCount: BYTES + 1 }),
  ],
  'underflow and overflow at once': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => peer.respond(p, { underflow: 1, overflow: 1, residualCount: 1 }),
  ],
  'sense data longer than their segment': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => peer.respond(p, { status: 2 }, Buffer.from([0, 18, 0x70, 0])),
  ],
  'a gap in StatSN': ['TRANSPORT_PROTOCOL', (p, peer) => peer.respond(p, { statSn: peer.statSn + 1 })],
  'a target failure': ['TRANSPORT_TARGET_FAILURE', (p, peer) => peer.respond(p, { response: 1 })],
  'a response to no task': ['TRANSPORT_PROTOCOL', (p, peer) => peer.respond({ ...p, itt: 7 })],
  'an answer to a question that nobody asked': [
    'TRANSPORT_PROTOCOL',
    (_, peer) => peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: 99, ttt: RESERVED_TAG }),
  ],
  'a PDU that only initiators send': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => peer.send(NOP_IN, { opcode: Opcode.nopOut, itt: p.itt }),
  ],
  'an unknown opcode': ['TRANSPORT_PROTOCOL', (p, peer) => peer.send(NOP_IN, { opcode: 0x2f, itt: p.itt })],
  'a login response': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => peer.send(NOP_IN, { opcode: Opcode.loginResponse, itt: p.itt }),
  ],
  'a segment longer than agreed': [
    'TRANSPORT_PROTOCOL',
    (p, peer) => peer.send(NOP_IN, { opcode: Opcode.nopIn, itt: p.itt, dataSegmentLength: 0xff_ffff }),
  ],
  'a reject of the command': [
    'TRANSPORT_REJECTED',
    (p, peer) => {
      const fields = { opcode: Opcode.reject, final: 1, reason: 9, itt: RESERVED_TAG }
      peer.sendStatus(REJECT, fields, p.header.subarray(0, 48))
    },
  ],
  'a reject of nothing': [
    'TRANSPORT_REJECTED',
    (_, peer) => peer.sendStatus(REJECT, { opcode: Opcode.reject, final: 1, reason: 4, itt: RESERVED_TAG }),
  ],
  'a dropped connection, announced': [
    'TRANSPORT_CONNECTION_LOST',
    (_, peer) =>
      peer.sendStatus(ASYNC_MESSAGE, {
        opcode: Opcode.asyncMessage,
        final: 1,
        itt: RESERVED_TAG,
        asyncEvent: 2,
      }),
  ],
  'a closed connection': ['TRANSPORT_CONNECTION_LOST', (_, peer) => peer.socket.end()],
  'half a PDU and a closed connection': [
    'TRANSPORT_CONNECTION_LOST',
    (_, peer) => peer.socket.end(Buffer.from([Opcode.dataIn, 0x80, 0])),
  ],
}

for (const [name, [code, answer]] of Object.entries(READS)) {
  // Requirement: RFC 7143, 13.18/6.
  test(`a read meets ${name}`, async () => {
    await using target = await ScriptedTarget.logsIn(answer)
    await using session = await openSession(target.options)
    const whole = Buffer.alloc(BYTES * 3, '.')
    const dataIn = whole.subarray(BYTES, BYTES * 2)
    await assert.rejects(
      session.execute({ lun: 0, cdb: READ, dataIn, repeatable: true }),
      (error: TransportError) => {
        assert.ok(error instanceof TransportError, String(error))
        assert.equal(error.code, code, error.message)
        return true
      },
    )
    const outside = Buffer.concat([whole.subarray(0, BYTES), whole.subarray(BYTES * 2)])
    assert.ok(
      outside.every(byte => byte === 0x2e),
      'bytes outside the buffer changed',
    )
  })
}

const WRITES: Readonly<Record<string, Answer>> = {
  'a request beyond its data': (p, peer) => r2t(p, peer, { bufferOffset: 512 }),
  'a request far beyond its data': (p, peer) =>
    r2t(p, peer, { bufferOffset: 0xffff_ff00, desiredLength: 512 }),
  'a request for nothing': (p, peer) => r2t(p, peer, { desiredLength: 0 }),
  'a request above the burst limit': (p, peer) => r2t(p, peer, { desiredLength: 0xffff_ffff }),
  'a request with the reserved transfer tag': (p, peer) => r2t(p, peer, { ttt: RESERVED_TAG }),
  'a wrong R2TSN': (p, peer) => r2t(p, peer, { r2tSn: 3 }),
  'the same request again and again': (p, peer) => {
    if (p.opcode !== Opcode.scsiCommand) return
    for (let r2tSn = 0; r2tSn < 3; r2tSn++) r2t(p, peer, { r2tSn })
  },
  'read data': (p, peer) => dataIn(p, peer, {}, 512),
}

for (const [name, answer] of Object.entries(WRITES)) {
  // Requirement: RFC 7143, 13.13/4 and 13.19/5.
  test(`a write meets ${name}`, async () => {
    await using target = await ScriptedTarget.logsIn(answer, { InitialR2T: 'Yes', ImmediateData: 'No' })
    await using session = await openSession(target.options)
    const request = { lun: 0, cdb: WRITE, dataOut: data(BYTES), repeatable: true }
    await assert.rejects(session.execute(request), { code: 'TRANSPORT_PROTOCOL' })
  })
}

test('a target that pings without end and never reads does not fill the memory', async () => {
  await using target = await ScriptedTarget.logsIn((_, peer) => {
    peer.socket.pause()
    const ping = Buffer.alloc(48)
    NOP_IN.write({ opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: 1, ...peer.numbers }, ping)
    const flood = Buffer.concat(new Array(1000).fill(ping))
    const more = (): void => {
      while (!peer.socket.destroyed && peer.socket.write(flood)) {}
    }
    peer.socket.on('drain', more)
    more()
  })
  await using session = await openSession(target.options)
  const command = session.execute({ lun: 0, cdb: READ, expectedIn: BYTES })
  await assert.rejects(command, { code: 'TRANSPORT_PROTOCOL' })
})

test('discovery meets answers that are none', async () => {
  const answers: Readonly<Record<string, (pdu: Pdu, peer: Peer) => void>> = {
    TRANSPORT_PROTOCOL: ({ itt }, peer) =>
      peer.sendStatus(
        TEXT_RESPONSE,
        { opcode: Opcode.textResponse, final: 1, itt },
        Buffer.from('TargetAddress=x\0'),
      ),
    TRANSPORT_CONNECTION_LOST: (_, peer) => peer.socket.end(),
    TRANSPORT_TIMEOUT: () => {},
  }
  for (const [code, script] of Object.entries(answers)) {
    await using target = await ScriptedTarget.logsIn(script)
    await assert.rejects(discover(target.portal, { loginTimeoutMs: 200 }), { code })
  }
})

test('a text answer that never ends is cut off', async () => {
  let sent = 0
  await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
    sent++
    const fields = { opcode: Opcode.textResponse, final: 0, continue: 1, itt, ttt: 1 }
    peer.sendStatus(TEXT_RESPONSE, fields, Buffer.alloc(256 * 1024, 0x41))
  })
  await assert.rejects(discover(target.portal), { code: 'TRANSPORT_PROTOCOL' })
  assert.ok(sent < 100)
})

test('thousands of wishes for a logout make one wait, and another only where the time is shorter', () => {
  const feature = { leavesAt: Number.POSITIVE_INFINITY } as FullFeature
  const waits: number[] = []
  const ask = (seconds: number): void => {
    const message = {
      event: AsyncEvent.logoutRequested,
      lun: new Uint8Array(8),
      parameter1: 0,
      parameter2: 0,
    }
    obeyMessage(feature, { ...message, parameter3: seconds, data: new Uint8Array(0) }, ms => waits.push(ms))
  }
  for (let seconds = 65_535; seconds > 15; seconds--) ask(seconds)
  for (let i = 0; i < 1000; i++) ask(4)
  assert.deepEqual(waits, [10_000, 3000])
})

test('whatever bytes come, every command ends and the process lives', async () => {
  let seed = 1
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return seed / 0x1_0000_0000
  }
  const opcodes = Object.values(Opcode)
  for (let round = 0; round < 300; round++) {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      const header = Buffer.from(Array.from({ length: 48 }, () => Math.floor(random() * 256)))
      if (random() < 0.9) header[0] = opcodes[Math.floor(random() * opcodes.length)]!
      if (random() < 0.9) header[4] = 0
      if (random() < 0.9) header.writeUIntBE(Math.floor(random() * 3000), 5, 3)
      if (random() < 0.8) header.writeUInt32BE(pdu.itt, 16)
      if (random() < 0.8) header.writeUInt32BE(peer.statSn, 24)
      if (random() < 0.5) header.fill(0, 36, 44)
      peer.socket.end(Buffer.concat([header, data(3000)]))
    })
    await using session = await openSession(target.options)
    const dataIn = Buffer.alloc(BYTES)
    await session.execute({ lun: 0, cdb: READ, dataIn }).then(
      ({ status }) => assert.ok(status >= 0 && status <= 255),
      error => assert.ok(error instanceof TransportError, String(error)),
    )
  }
})
