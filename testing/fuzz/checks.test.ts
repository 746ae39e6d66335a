// SPDX-License-Identifier: Apache-2.0
// The fuzz machinery's own eyes: each check sees what it is there for, and nothing where all is well.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  crc32c,
  DATA_IN,
  type Layout,
  LOGIN_RESPONSE,
  NOP_IN,
  Opcode,
  PDU_BY_OPCODE,
  REJECT,
  SCSI_RESPONSE,
} from '@lunkit/spec'
import { BLANK, firstStranger, goodBlock, payload, traceOfGoodData, traceOfStoredData } from './content.ts'
import { CORPUS } from './corpus.ts'
import { EventLog, judge } from './event-log.ts'
import { inspect } from './inspect.ts'
import { encode, text } from './pdu.ts'
import { Random } from './random.ts'
import { SCENARIOS } from './scenarios/index.ts'
import { type Answer, Wire } from './wire.ts'

const answer = (layout: Layout, opcode: number, data: Uint8Array, itt = 1): Answer => ({
  opcode,
  header: Buffer.from(layout.write({ opcode, itt } as never)),
  data: Buffer.from(data),
})
const asker = { headers: new Set(['h'.repeat(48)]), reads: new Set([1]), loose: false }

test('the same seed makes the same choices', () => {
  const draw = (seed: number, stream: number): number[] => {
    const random = new Random(seed, stream)
    return Array.from({ length: 100 }, () => random.range(3, 9))
  }
  assert.deepEqual(draw(7, 0), draw(7, 0))
  assert.notDeepEqual(draw(7, 0), draw(8, 0))
  assert.notDeepEqual(draw(7, 0), draw(7, 1))
  assert.deepEqual([...new Set(draw(7, 0))].sort(), [3, 4, 5, 6, 7, 8, 9])
})

test('every byte tells its source', () => {
  const random = new Random(1)
  const good = new Uint8Array(512)
  goodBlock(good, 5, 2)
  const fuzz = payload(random, 512)
  assert.equal(firstStranger(Buffer.concat([fuzz, Buffer.alloc(9, BLANK)])), -1)
  assert.equal(firstStranger(Buffer.concat([fuzz, good])), 512)
  assert.equal(firstStranger(Buffer.from([BLANK, 0])), 1)
  assert.equal(traceOfGoodData(Buffer.concat([fuzz, good])), 512)
  assert.equal(traceOfGoodData(fuzz), -1)
  assert.equal(traceOfStoredData(Buffer.concat([Buffer.alloc(20), fuzz])), 20)
  assert.equal(traceOfStoredData(Buffer.from('LUNKIT  a disk of 4 MiB ')), -1)
})

test('the wire sees padding, reserved bits, wrong digests and what no target sends', () => {
  const header = (): Uint8Array => NOP_IN.write({ opcode: Opcode.nopIn, final: 1 })
  const data = Uint8Array.of(1, 2, 3, 4, 5)
  const digests = { headerDigest: true, dataDigest: true }
  const see = (bytes: Buffer, withDigests = false): number => {
    const wire = new Wire()
    if (withDigests) Object.assign(wire, digests)
    return wire.push(bytes.subarray(0, 50)).length + wire.push(bytes.subarray(50)).length
  }
  const good = encode(header(), { data })
  assert.equal(see(good), 1)
  assert.equal(see(encode(header(), { data, ...digests }), true), 1)
  assert.throws(() => see(encode(header(), { data, ...digests, damage: 'header' }), true), /header digest/)
  assert.throws(() => see(encode(header(), { data, ...digests, damage: 'data' }), true), /data digest/)
  const padded = Buffer.from(good)
  padded[54] = 1
  assert.throws(() => see(padded), /padding/)
  const reserved = Buffer.from(good)
  reserved[2] = 1
  assert.throws(() => see(reserved), /reserved/)
  assert.throws(() => see(Buffer.alloc(48)), /no target sends/)
  assert.equal(crc32c(good, 0, 48) === crc32c(reserved, 0, 48), false)
})

test('an answer with bytes of others is seen', () => {
  const fuzz = payload(new Random(1), 64)
  const good = new Uint8Array(64)
  goodBlock(good, 1, 1)
  const wrong: [Answer, RegExp][] = [
    [answer(DATA_IN, Opcode.dataIn, good), /Data-In has strange/],
    [answer(DATA_IN, Opcode.dataIn, Buffer.alloc(64)), /Data-In has strange/],
    [answer(DATA_IN, Opcode.dataIn, fuzz, 2), /Data-In has strange/],
    [answer(SCSI_RESPONSE, Opcode.scsiResponse, fuzz), /stored data/],
    [answer(NOP_IN, Opcode.nopIn, good), /NOP-In/],
    [answer(REJECT, Opcode.reject, Buffer.alloc(48)), /Reject/],
    [answer(LOGIN_RESPONSE, Opcode.loginResponse, text({ Strange: '1' })), /strange key/],
    [
      answer(LOGIN_RESPONSE, Opcode.loginResponse, Buffer.concat([text({ AuthMethod: 'None' }), fuzz])),
      /stored/,
    ],
  ]
  for (const [one, words] of wrong) assert.match(inspect(one, asker) ?? '', words)
  const right = [
    answer(DATA_IN, Opcode.dataIn, fuzz),
    answer(NOP_IN, Opcode.nopIn, fuzz),
    answer(REJECT, Opcode.reject, Buffer.from('h'.repeat(48))),
    answer(LOGIN_RESPONSE, Opcode.loginResponse, text({ HeaderDigest: 'None', Odd: 'NotUnderstood' })),
  ]
  for (const one of right) assert.equal(inspect(one, asker), null)
})

test('an event must be whole, decoded and on one line', async () => {
  const fault = {
    event: 'peer-fault',
    initiator: '',
    address: '127.0.0.1:5',
    fault: 'It is wrong',
    pdu: PDU_BY_OPCODE[0]!.name,
    outcome: 'close',
  }
  assert.equal(judge(fault), null)
  assert.match(judge({ ...fault, event: 'surprise' }) ?? '', /known kind/)
  assert.match(judge({ ...fault, more: 1 }) ?? '', /other fields/)
  assert.match(judge({ ...fault, fault: '' }) ?? '', /no fault/)
  assert.match(judge({ ...fault, pdu: '00 01' }) ?? '', /decoded/)
  assert.match(judge({ ...fault, outcome: 'shrug' }) ?? '', /outcome/)
  assert.match(judge({ ...fault, initiator: 'a\nb' }) ?? '', /control/)
  const log = new EventLog([{ ...fault }, { ...fault, address: '127.0.0.1:6', pdu: '' }])
  assert.equal(await log.hasFault('127.0.0.1:5', 0), true)
  assert.equal(await log.hasFault('127.0.0.1:7', 0), false)
  assert.equal(log.complaints.length, 1)
  assert.equal(log.claim('127.0.0.1:5'), true)
  assert.equal(log.claim('127.0.0.1:5'), false)
  log.release('127.0.0.1:5')
  assert.equal(log.claim('127.0.0.1:5'), true)
  assert.equal(await log.hasFault('127.0.0.1:5', 0), false)
})

test('scenarios have names of their own, and the corpus names them', () => {
  const names = SCENARIOS.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  assert.ok(names.length > 50)
  for (const { scenario } of CORPUS) assert.ok(names.includes(scenario), scenario)
})
