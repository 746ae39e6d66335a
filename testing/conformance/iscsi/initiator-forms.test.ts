// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11 and 13: every PDU of this initiator in sessions of all kinds, and for each check a PDU that it finds.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { BHS, DATA_OUT, NOP_OUT, Opcode, RESERVED_TAG, SCSI_COMMAND, TEXT_REQUEST } from '@lunkit/spec'
import { InitiatorWatch } from '../../kit/initiator-watch.ts'
import { change, drop, edit, editWhere, type Pdus, type Spoil, set } from '../../kit/spoil-pdus.ts'
import type { TappedPdu } from '../../kit/wire-tap.ts'
import { tapped, tappedDiscovery, tappedFaults, tappedText, WAYS } from './tapped-sessions.ts'

const sessions = new Map<string, Pdus>()

before(async () => {
  for (const [name, options] of Object.entries(WAYS)) sessions.set(name, await tapped(options))
  sessions.set('discovery', await tappedDiscovery())
  sessions.set('text in pieces', await tappedText())
  sessions.set('recovery at level 1', await tappedFaults(1, 2, 'initiator'))
  sessions.set('recovery at level 2', await tappedFaults(2, 9, 'initiator'))
})

const { scsiCommand, dataOut, nopOut, textRequest, taskManagementRequest, logoutRequest } = Opcode
const isWrite = (bytes: Buffer): boolean => SCSI_COMMAND.field.write.get(bytes, 0) === 1
const isSolicited = (bytes: Buffer): boolean => DATA_OUT.field.ttt.get(bytes, 0) !== RESERVED_TAG
const isUnsolicited = (bytes: Buffer): boolean => !isSolicited(bytes)
const isLast = (bytes: Buffer): boolean => BHS.field.final.get(bytes, 0) === 1
const isAnswer = (bytes: Buffer): boolean => NOP_OUT.field.ttt.get(bytes, 0) !== RESERVED_TAG
const goesOn = (bytes: Buffer): boolean => TEXT_REQUEST.field.ttt.get(bytes, 0) !== RESERVED_TAG
const isLong = (bytes: Buffer): boolean => bytes.length > 48
const wholeWrite = (bytes: Buffer, { data }: TappedPdu): boolean =>
  isWrite(bytes) &&
  data.length > 0 &&
  data.length === SCSI_COMMAND.field.expectedDataTransferLength.get(bytes, 0)
const SEGMENT = Buffer.from([0, 2, 1, 0, 0, 0, 0, 0])
const from = 'initiator'

/** The second of two requests of this kind, of which neither has an answer, gets the tag of the first. */
const sameTag: Spoil = pdus => {
  for (let at = 1; at < pdus.length; at++) {
    const [one, other] = [pdus[at - 1]!, pdus[at]!]
    if (one.opcode !== scsiCommand || other.opcode !== scsiCommand) continue
    const header = Buffer.from(other.header)
    SCSI_COMMAND.field.itt.set(header, 0, SCSI_COMMAND.field.itt.get(one.header, 0))
    return pdus.with(at, { ...other, header })
  }
  return null
}

/** Two Data-Out PDUs of the same sequence change places. */
const swapped: Spoil = pdus => {
  for (let at = 1; at < pdus.length; at++) {
    const [one, other] = [pdus[at - 1]!, pdus[at]!]
    if (one.opcode !== dataOut || other.opcode !== dataOut || isLast(one.header)) continue
    return pdus.with(at - 1, other).with(at, one)
  }
  return null
}

const CHECKS: readonly (readonly [title: string, check: string, spoil: Spoil])[] = [
  // Requirement: RFC 7143, 11/1.
  [
    'reserved bits of requests are zero',
    'reserved',
    edit(from, scsiCommand, bytes => bytes.writeUInt8(1, 3)),
  ],
  // Requirement: RFC 7143, 11/1 and 11.7/20.
  [
    'unsolicited data has no LUN',
    'reserved',
    editWhere(from, dataOut, isUnsolicited, bytes => bytes.writeUInt8(5, 9)),
  ],
  // Requirement: RFC 7143, 11/2.
  ['no reserved code is sent', 'codes', edit(from, scsiCommand, set(SCSI_COMMAND.field.attribute, 6))],
  // Requirement: RFC 7143, 11.2/8.
  ['opcodes are those of an initiator', 'opcode', edit(from, nopOut, set(BHS.field.opcode, Opcode.nopIn))],
  // Requirement: RFC 7143, 11.2/10.
  [
    'only commands have an additional header',
    'ahs',
    change(from, nopOut, pdu => ({ header: Buffer.concat([pdu.header, SEGMENT]) })),
  ],
  // Requirement: RFC 7143, 11.2/12 and 11.5.2/1.
  ['function requests have no data', 'empty', change(from, taskManagementRequest, () => ({ data: SEGMENT }))],
  // Requirement: RFC 7143, 11.2/12 and 11.14.2/1.
  ['logout requests have no data', 'empty', change(from, logoutRequest, () => ({ data: SEGMENT }))],
  // Requirement: RFC 7143, 11.2/14.
  ['a tag is not given again while it is in use, on whatever connection', 'unique tag', sameTag],
  // Requirement: RFC 7143, 11.2/15.
  [
    'no request has the reserved tag',
    'reserved tag',
    edit(from, scsiCommand, set(BHS.field.itt, RESERVED_TAG)),
  ],
  // Requirement: RFC 7143, 11.2/16.
  [
    'a short CDB has no segment',
    'ahs',
    change(from, scsiCommand, pdu =>
      isLong(pdu.header) ? null : { header: Buffer.concat([pdu.header, SEGMENT]) },
    ),
  ],
  // Requirement: RFC 7143, 11.3/9.
  [
    'a long CDB has a segment with the rest',
    'ahs',
    change(from, scsiCommand, pdu => (isLong(pdu.header) ? { header: pdu.header.subarray(0, 48) } : null)),
  ],
  // Requirement: RFC 7143, 11.2.3/1.
  [
    'an agreed header digest is on every PDU, over its header',
    'digest',
    change(from, scsiCommand, pdu => (pdu.headerDigest === null ? null : { headerDigest: Buffer.alloc(4) })),
  ],
  // Requirement: RFC 7143, 11.2.3/1 and 11.2.3/3.
  [
    'an agreed data digest is on all data, over its padding, too, and on nothing else',
    'digest',
    change(from, dataOut, pdu => (pdu.dataDigest === null ? null : { padding: Buffer.alloc(1) })),
  ],
  // Requirement: RFC 7143, 11.3/5.
  [
    'W or F is set',
    'W or F',
    editWhere(from, scsiCommand, bytes => !isWrite(bytes), set(BHS.field.final, 0)),
  ],
  // Requirement: RFC 7143, 11.3/6.
  [
    'a length has a direction',
    'direction',
    editWhere(from, scsiCommand, isWrite, set(SCSI_COMMAND.field.write, 0)),
  ],
  // Requirement: RFC 7143, 11.3/7.
  [
    'immediate data that is all has F=1',
    'immediate final',
    editWhere(from, scsiCommand, wholeWrite, set(BHS.field.final, 0)),
  ],
  // Requirement: RFC 7143, 11.3/8 and 4.2.5.2/4.
  [
    'unsolicited data is as much as FirstBurstLength lets through',
    'unsolicited amount',
    editWhere(from, dataOut, bytes => isUnsolicited(bytes) && !isLast(bytes), set(BHS.field.final, 1)),
  ],
  // Requirement: RFC 7143, 13.14/6.
  [
    'unsolicited data, the immediate data among it, is not more than FirstBurstLength',
    'unsolicited amount',
    change(from, dataOut, pdu =>
      isUnsolicited(pdu.header) && isLast(pdu.header) ? { data: Buffer.alloc(1025) } : null,
    ),
  ],
  // Requirement: RFC 7143, 11.7/17 and 13.12/3.
  [
    'no data segment is longer than the target takes',
    'segment',
    change(from, dataOut, () => ({ data: Buffer.alloc(769) })),
  ],
  // Requirement: RFC 7143, 11.10/9.
  [
    'no text is longer than the target takes',
    'segment',
    change(from, textRequest, () => ({ data: Buffer.alloc(769) })),
  ],
  // Requirement: RFC 7143, 11.7/18 and 11.8/8 and 13.13/4.
  [
    'the data for an R2T is all of what it asks for, and no more than that',
    'R2T amount',
    change(from, dataOut, pdu =>
      isSolicited(pdu.header) && isLast(pdu.header) ? { data: Buffer.alloc(1) } : null,
    ),
  ],
  // Requirement: RFC 7143, 11.7/21 and 11.8/10.
  [
    'the last PDU for an R2T has F=1',
    'R2T amount',
    editWhere(from, dataOut, bytes => isSolicited(bytes) && isLast(bytes), set(BHS.field.final, 0)),
  ],
  // Requirement: RFC 7143, 11.8/9 and 13.18/4.
  ['data follows data without gap or overlap', 'data order', swapped],
  // Requirement: RFC 7143, 11.7/19.
  [
    'the tag and the LUN of an R2T are on its data',
    'R2T tags',
    editWhere(from, dataOut, isSolicited, bytes => bytes.writeUInt8(9, 9)),
  ],
  // Requirement: RFC 7143, 11.7/19.
  [
    'data has the transfer tag of the R2T that is due',
    'R2T order',
    editWhere(from, dataOut, isSolicited, set(DATA_OUT.field.ttt, 0x1234_5678)),
  ],
  // Requirement: RFC 7143, 11.10/5.
  ['a text request waits for the answer to the last one', 'one text', drop('target', Opcode.textResponse)],
  // Requirement: RFC 7143, 11.10/6.
  [
    'C=1 comes with F=0',
    'text bits',
    editWhere(from, textRequest, isLast, set(TEXT_REQUEST.field.continue, 1)),
  ],
  // Requirement: RFC 7143, 11.10/3.
  [
    'a text goes on with its I bit',
    'text I',
    editWhere(from, textRequest, goesOn, set(BHS.field.immediate, 0)),
  ],
  // Requirement: RFC 7143, 11.10/3.
  [
    'a text goes on with its task tag',
    'text tag',
    editWhere(from, textRequest, goesOn, set(BHS.field.itt, 0x1234)),
  ],
  // Requirement: RFC 7143, 11.10/8 and 11.11/7.
  [
    'a text goes on with the LUN of the last answer',
    'text tags',
    editWhere(from, textRequest, goesOn, bytes => bytes.writeUInt8(9, 9)),
  ],
  // Requirement: RFC 7143, 11.11/7.
  [
    'a text goes on with the transfer tag of the last answer',
    'text tags',
    editWhere(from, textRequest, goesOn, set(TEXT_REQUEST.field.ttt, 0x4321)),
  ],
  // Requirement: RFC 7143, 11.18/5.
  ['an answer to a ping wants no echo', 'nop tag', editWhere(from, nopOut, isAnswer, set(BHS.field.itt, 7))],
  // Requirement: RFC 7143, 11.18/4.
  [
    'a NOP-Out without a task tag is immediate',
    'nop I',
    editWhere(from, nopOut, isAnswer, set(BHS.field.immediate, 0)),
  ],
  // Requirement: RFC 7143, 11.18/6.
  [
    'only an answer has a transfer tag, that of the ping',
    'nop answer',
    editWhere(from, nopOut, bytes => !isAnswer(bytes), set(NOP_OUT.field.ttt, 99)),
  ],
  // Requirement: RFC 7143, 11.18/3.
  [
    'an answer has the LUN of the ping',
    'nop answer',
    editWhere(from, nopOut, isAnswer, bytes => bytes.writeUInt8(9, 9)),
  ],
  // Requirement: RFC 7143, 13.10/4.
  [
    'no data is announced where InitialR2T is Yes',
    'InitialR2T',
    editWhere(from, scsiCommand, isWrite, set(BHS.field.final, 0)),
  ],
  // Requirement: RFC 7143, 13.10/5.
  [
    'no data goes with a command where ImmediateData is No',
    'ImmediateData',
    change(from, scsiCommand, pdu => (isWrite(pdu.header) ? { data: Buffer.alloc(8) } : null)),
  ],
  // Requirement: RFC 7143, 10.6/1.
  [
    'commands are not immediate, whatever they do',
    'immediate command',
    edit(from, scsiCommand, set(BHS.field.immediate, 1)),
  ],
  ['data goes where its command went', 'data connection', change(from, dataOut, () => ({ connection: 99 }))],
]

describe('PDUs of the initiator', () => {
  for (const [title, check, spoil] of CHECKS) {
    test(title, () => {
      let canFail = false
      for (const [name, pdus] of sessions) {
        const wrong = InitiatorWatch.over(pdus).found.filter(([by]) => by === check)
        assert.deepEqual(wrong, [], name)
        const spoilt: Pdus | null = canFail ? null : spoil(pdus)
        if (spoilt !== null) canFail = InitiatorWatch.over(spoilt).found.some(([by]) => by === check)
      }
      assert.ok(canFail, 'nothing of what was sent could have failed this check')
    })
  }

  test('nothing else was wrong, and nothing was left open', () => {
    for (const [name, pdus] of sessions) {
      const watch = InitiatorWatch.over(pdus)
      assert.deepEqual(watch.found, [], name)
      assert.deepEqual(watch.left, { requests: 0, pings: 0 }, name)
    }
  })
})
