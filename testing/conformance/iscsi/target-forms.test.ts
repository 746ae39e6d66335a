// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11 and 13: every PDU of the target in sessions of all kinds, and for each check a PDU that it finds.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import {
  BHS,
  DATA_IN,
  NOP_IN,
  Opcode,
  R2T,
  REJECT,
  RESERVED_TAG,
  SCSI_RESPONSE,
  Status,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import { change, drop, edit, editWhere, type Pdus, type Spoil, set } from '../../kit/spoil-pdus.ts'
import { TargetWatch } from '../../kit/target-watch.ts'
import { tapped, tappedDiscovery, tappedFaults, WAYS } from './tapped-sessions.ts'

const sessions = new Map<string, Pdus>()

before(async () => {
  for (const [name, options] of Object.entries(WAYS)) sessions.set(name, await tapped(options))
  sessions.set('discovery', await tappedDiscovery())
  sessions.set('recovery at level 1', await tappedFaults(1, 2, 'target'))
  sessions.set('recovery at level 2', await tappedFaults(2, 9, 'target'))
})

const from = 'target'
const AHS = Buffer.from([0, 5, 2, 0, 0, 0, 0, 0])
const FOUR = Buffer.alloc(4)
const LONG = Buffer.alloc(300_000)
const { dataIn, r2t, scsiResponse, textResponse, nopIn } = Opcode
const isLast = (header: Buffer): boolean => BHS.field.final.get(header, 0) === 1
const hasStatus = (header: Buffer): boolean => DATA_IN.field.statusPresent.get(header, 0) === 1
const isShort = (header: Buffer): boolean => DATA_IN.field.underflow.get(header, 0) === 1
const isPing = (header: Buffer): boolean => BHS.field.itt.get(header, 0) === RESERVED_TAG
const withAhs = (opcode: number): Spoil =>
  change(from, opcode, ({ header }) => ({ header: Buffer.concat([header, AHS]) }))
const withData = (opcode: number): Spoil => change(from, opcode, () => ({ data: FOUR }))

const CHECKS: readonly (readonly [title: string, check: string, spoil: Spoil])[] = [
  // Requirement: RFC 7143, 11.2/2.
  [
    'reserved bits of answers are zero',
    'reserved',
    edit(from, Opcode.r2t, header => header.writeUInt8(1, 3)),
  ],
  // Requirement: RFC 7143, 11.7/4 and 11.7/7.
  [
    'fields of Data-In that mean nothing are zero, and the transfer tag the reserved one',
    'reserved',
    editWhere(
      from,
      Opcode.dataIn,
      header => (header[1]! & 1) === 0,
      header => header.writeUInt32BE(7, 24),
    ),
  ],
  // Requirement: RFC 7143, 11.4/1.
  [
    'a residual count without O or U is zero',
    'reserved',
    edit(from, Opcode.scsiResponse, header => {
      SCSI_RESPONSE.write({ underflow: 0, overflow: 0, residualCount: 5 }, header)
    }),
  ],
  // Requirement: RFC 7143, 11.2/9.
  ['opcodes are those of a target', 'opcode', edit(from, Opcode.nopIn, set(BHS.field.opcode, Opcode.nopOut))],
  // Requirement: RFC 7143, 11.2/11.
  ['answers have no additional header', 'ahs', withAhs(Opcode.scsiResponse)],
  // Requirement: RFC 7143, 11.2/11 and 11.6.2/1.
  ['function responses have no additional header', 'ahs', withAhs(Opcode.taskManagementResponse)],
  // Requirement: RFC 7143, 11.2/11 and 11.8.1/1.
  ['R2Ts have no additional header', 'ahs', withAhs(Opcode.r2t)],
  // Requirement: RFC 7143, 11.2/11 and 11.15.2/1.
  ['logout responses have no additional header', 'ahs', withAhs(Opcode.logoutResponse)],
  // Requirement: RFC 7143, 11.2/13 and 11.6.2/1.
  ['function responses have no data', 'empty', withData(Opcode.taskManagementResponse)],
  // Requirement: RFC 7143, 11.2/13 and 11.8.1/1.
  ['R2Ts have no data', 'empty', withData(Opcode.r2t)],
  // Requirement: RFC 7143, 11.2/13 and 11.15.2/1.
  ['logout responses have no data', 'empty', withData(Opcode.logoutResponse)],
  // Requirement: RFC 7143, 11.2.3/2.
  [
    'an agreed header digest is on every PDU, over its header',
    'digest',
    change(from, Opcode.r2t, pdu => (pdu.headerDigest === null ? null : { headerDigest: FOUR })),
  ],
  // Requirement: RFC 7143, 11.2.3/2 and 11.2.3/4.
  [
    'an agreed data digest is on all data, over its padding, too, and on nothing else',
    'digest',
    change(from, Opcode.dataIn, pdu => (pdu.dataDigest === null ? null : { padding: Buffer.alloc(1) })),
  ],
  // Requirement: RFC 7143, 13.12/2 and 11.7/6 and 11.11/5.
  [
    'no data segment is longer than the initiator takes',
    'segment',
    change(from, dataIn, () => ({ data: LONG })),
  ],
  // Requirement: RFC 7143, 4.2.2.4/1.
  ['Data-In counts from zero without a gap', 'DataSN', edit(from, dataIn, set(DATA_IN.field.dataSn, 9))],
  // Requirement: RFC 7143, 11.7/5 and 13.18/2 and 13.19/2.
  ['read data follows read data', 'data order', edit(from, dataIn, set(DATA_IN.field.bufferOffset, 4))],
  // Requirement: RFC 7143, 11.7/1 and 13.13/2.
  [
    'a sequence of read data that is full ends with F=1',
    'data final',
    editWhere(from, dataIn, isLast, set(BHS.field.final, 0)),
  ],
  // Requirement: RFC 7143, 11.7/1.
  [
    'a sequence is no longer than MaxBurstLength',
    'burst',
    change(from, dataIn, pdu => (isLast(pdu.header) ? { data: Buffer.alloc(2049) } : null)),
  ],
  ['no more read data comes than was expected', 'data length', change(from, dataIn, () => ({ data: LONG }))],
  // Requirement: RFC 7143, 11.7/9.
  [
    'only the last PDU of a sequence ends within a word',
    'data words',
    change(from, dataIn, pdu => (isLast(pdu.header) ? null : { data: pdu.data.subarray(1) })),
  ],
  // Requirement: RFC 7143, 11.7/2.
  ['there is no A bit at level 0', 'A bit', edit(from, dataIn, set(DATA_IN.field.acknowledge, 1))],
  // Requirement: RFC 7143, 11.7/3.
  [
    'status comes with data only if it is no exception',
    'S status',
    editWhere(from, dataIn, hasStatus, set(DATA_IN.field.status, Status.busy)),
  ],
  // Requirement: RFC 7143, 11.7/3.
  ['status comes with F=1', 'S and F', editWhere(from, dataIn, hasStatus, set(BHS.field.final, 0))],
  // Requirement: RFC 7143, 11.8/1.
  ['an R2T has a transfer tag', 'R2T tag', edit(from, r2t, set(R2T.field.ttt, RESERVED_TAG))],
  // Requirement: RFC 7143, 11.8/4.
  ['an R2T has the LUN of its command', 'R2T LUN', edit(from, r2t, header => header.writeUInt8(5, 9))],
  // Requirement: RFC 7143, 4.2.2.4/2.
  ['R2Ts count from zero without a gap', 'R2TSN', edit(from, r2t, set(R2T.field.r2tSn, 9))],
  // Requirement: RFC 7143, 11.8/2.
  ['an R2T asks for something', 'R2T length', edit(from, r2t, set(R2T.field.desiredLength, 0))],
  // Requirement: RFC 7143, 11.8/2 and 13.13/2.
  [
    'an R2T asks for no more than MaxBurstLength',
    'R2T length',
    edit(from, r2t, set(R2T.field.desiredLength, 2049)),
  ],
  // Requirement: RFC 7143, 11.8/5 and 13.19/2.
  [
    'R2Ts ask for ranges that follow each other',
    'R2T order',
    edit(from, r2t, set(R2T.field.bufferOffset, 99)),
  ],
  // Requirement: RFC 7143, 11.8/5.
  [
    'an R2T asks for nothing that the command has not',
    'R2T end',
    edit(from, r2t, set(R2T.field.bufferOffset, 99_999)),
  ],
  // Requirement: RFC 7143, 11.8/3 and 13.17/2.
  [
    'no more R2Ts are outstanding than was agreed on',
    'R2T number',
    pdus => {
      const at = pdus.findIndex(({ opcode }) => opcode === r2t)
      const one = pdus[at]
      if (one === undefined) return null
      const header = Buffer.from(one.header)
      R2T.write({ ttt: 77, r2tSn: 1 }, header)
      return pdus.toSpliced(at + 1, 0, { ...one, header })
    },
  ],
  // Requirement: RFC 7143, 11.4/1.
  [
    'O and U are never both set',
    'O and U',
    edit(from, scsiResponse, header => SCSI_RESPONSE.write({ overflow: 1, underflow: 1 }, header)),
  ],
  // Requirement: RFC 7143, 11.4/4.
  [
    'ExpDataSN counts the Data-In PDUs',
    'ExpDataSN',
    edit(from, scsiResponse, set(SCSI_RESPONSE.field.expDataSn, 7)),
  ],
  // Requirement: RFC 7143, 11.4/3 and 11.4/11.
  [
    'CHECK CONDITION has sense data of the length that it tells',
    'sense',
    change(from, scsiResponse, pdu => (pdu.data.length > 2 ? { data: pdu.data.subarray(1) } : null)),
  ],
  // Requirement: RFC 7143, 11.4/9.
  [
    'what was not moved of a read is told',
    'residual',
    editWhere(
      from,
      dataIn,
      header => hasStatus(header) && isShort(header),
      set(DATA_IN.field.residualCount, 1),
    ),
  ],
  // Requirement: RFC 7143, 11.4/2.
  [
    'no response comes while data is still to come',
    'last data',
    drop(
      'initiator',
      Opcode.dataOut,
      header => (header[1]! & 0x80) !== 0 && header.readUInt32BE(20) !== RESERVED_TAG,
    ),
  ],
  // Requirement: RFC 7143, 11.6/1 and 11.11/4.
  [
    'each request has one answer, with its tag',
    'one answer',
    edit(from, scsiResponse, set(BHS.field.itt, 0x7777)),
  ],
  // Requirement: RFC 7143, 11.11/1.
  [
    'F=1 answers F=1 alone',
    'text final',
    editWhere('initiator', Opcode.textRequest, isLast, set(BHS.field.final, 0)),
  ],
  // Requirement: RFC 7143, 11.11/3.
  [
    'C=1 comes with F=0',
    'text bits',
    editWhere(from, textResponse, isLast, set(TEXT_RESPONSE.field.continue, 1)),
  ],
  // Requirement: RFC 7143, 11.11/2.
  [
    'a text response has a transfer tag just where it goes on',
    'text tag',
    edit(from, textResponse, set(BHS.field.final, 0)),
  ],
  // Requirement: RFC 7143, 11.19/3 and 11.19/6.
  [
    'a ping of the target has no data',
    'ping data',
    change(from, nopIn, pdu => (isPing(pdu.header) ? { data: FOUR } : null)),
  ],
  // Requirement: RFC 7143, 11.19/2.
  [
    'an echo has no transfer tag',
    'echo tag',
    editWhere(from, nopIn, header => !isPing(header), set(NOP_IN.field.ttt, 6)),
  ],
  // Requirement: RFC 7143, 11.19/1.
  [
    'an echo is what was sent',
    'echo',
    change(from, nopIn, pdu => (isPing(pdu.header) ? null : { data: FOUR })),
  ],
  // Requirement: RFC 7143, 11.17/2.
  ['a Reject has no task tag', 'reject tag', edit(from, Opcode.reject, set(BHS.field.itt, 5))],
  // Requirement: RFC 7143, 11.17/1.
  [
    'a Reject brings a header back',
    'reject header',
    change(from, Opcode.reject, () => ({ data: Buffer.alloc(48) })),
  ],
  // Requirement: RFC 7143, 11/5 and 11.17.1/1.
  [
    'no reserved code is sent, nor the reason 0Bh',
    'codes',
    edit(from, Opcode.reject, set(REJECT.field.reason, 0x0b)),
  ],
]

describe('PDUs of the target', () => {
  for (const [title, check, spoil] of CHECKS) {
    test(title, () => {
      let canFail = false
      for (const [name, pdus] of sessions) {
        const wrong = TargetWatch.over(pdus).found.filter(([by]) => by === check)
        assert.deepEqual(wrong, [], name)
        const spoilt: Pdus | null = canFail ? null : spoil(pdus)
        if (spoilt !== null) canFail = TargetWatch.over(spoilt).found.some(([by]) => by === check)
      }
      assert.ok(canFail, 'nothing of what was sent could have failed this check')
    })
  }

  test('nothing else was wrong, and nothing was left open', () => {
    for (const [name, pdus] of sessions) {
      const watch = TargetWatch.over(pdus)
      assert.deepEqual(watch.found, [], name)
      assert.equal(watch.left, 0, name)
    }
  })
})
