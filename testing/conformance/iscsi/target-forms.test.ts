// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11: every PDU of the target in sessions of all kinds by itself, and for each check a PDU that it finds.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { BHS, Opcode, SCSI_RESPONSE } from '@lunkit/spec'
import { findingsOf } from '../../kit/pdu-forms.ts'
import { change, edit, editWhere, type Pdus, type Spoil, set } from '../../kit/spoil-pdus.ts'
import { tapped, tappedDiscovery, WAYS } from './tapped-sessions.ts'

const sessions = new Map<string, Pdus>()

before(async () => {
  for (const [name, options] of Object.entries(WAYS)) sessions.set(name, await tapped(options))
  sessions.set('discovery', await tappedDiscovery())
})

const from = 'target'
const AHS = Buffer.from([0, 5, 2, 0, 0, 0, 0, 0])
const FOUR = Buffer.alloc(4)
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
]

const faults = (pdus: Pdus, check: string) =>
  pdus.filter(pdu => pdu.from === from).flatMap(pdu => findingsOf(pdu).filter(([by]) => by === check))

describe('PDUs of the target', () => {
  for (const [title, check, spoil] of CHECKS) {
    test(title, () => {
      let canFail = false
      for (const [name, pdus] of sessions) {
        assert.deepEqual(faults(pdus, check), [], name)
        const spoilt: Pdus | null = canFail ? null : spoil(pdus)
        if (spoilt !== null) canFail = faults(spoilt, check).length > 0
      }
      assert.ok(canFail, 'nothing of what was sent could have failed this check')
    })
  }
})
