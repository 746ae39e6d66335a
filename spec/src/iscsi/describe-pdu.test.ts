// SPDX-License-Identifier: Apache-2.0
// The one-line description: its words, and that any bytes get one printable line.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { INVALID_FIELD_IN_CDB, READ_32, writeSense } from '../index.ts'
import { describePdu } from './describe-pdu.ts'
import {
  DATA_IN,
  EXTENDED_CDB_AHS,
  LOGIN_RESPONSE,
  Opcode,
  REJECT,
  RESERVED_TAG,
  SCSI_COMMAND,
  SCSI_RESPONSE,
} from './pdu.ts'

test('a command shows what is not zero', () => {
  const header = SCSI_COMMAND.write({
    opcode: Opcode.scsiCommand,
    final: 1,
    read: 1,
    attribute: 1,
    lun: Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0),
    itt: 0x2a,
    expectedDataTransferLength: 512,
    cmdSn: 7,
    cdb: Uint8Array.of(0x28, 0, 0, 0, 0, 1, 0, 0, 1),
  })
  assert.equal(
    describePdu(header),
    'SCSI Command (READ (10) lba=1 blocks=1) final=1 read=1 attribute=1 lun=0001000000000000 itt=0x0000002a ' +
      'expectedDataTransferLength=512 cmdSn=7 cdb=28000000000100000100000000000000',
  )
})

test('codes are told in words and stray bits are named', () => {
  const reject = REJECT.write({ opcode: Opcode.reject, final: 1, reason: 9, itt: RESERVED_TAG })
  assert.equal(describePdu(reject), 'Reject (Invalid PDU field) final=1 reason=9 itt=0xffffffff')
  const login = LOGIN_RESPONSE.write({ opcode: Opcode.loginResponse, statusClass: 2, statusDetail: 1 })
  login[39] = 0x10
  assert.equal(
    describePdu(login),
    'Login Response (Authentication failure) itt=0x00000000 statusClass=2 statusDetail=1 ' +
      'reserved bit set in byte 39 bit 4',
  )
})

test('status and sense are told in words', () => {
  const values = { opcode: Opcode.scsiResponse, final: 1, status: 2, itt: 1 }
  const response = SCSI_RESPONSE.write(values)
  assert.equal(
    describePdu(response),
    'SCSI Response (CHECK CONDITION) final=1 status=2 itt=0x00000001 snackTag=0x00000000',
  )
  const sense = new Uint8Array(20)
  sense[1] = writeSense(sense.subarray(2), false, INVALID_FIELD_IN_CDB)
  assert.match(
    describePdu(response, 0, sense),
    /^SCSI Response \(CHECK CONDITION: ILLEGAL REQUEST: INVALID FIELD IN CDB \(5h 24h\/00h\)\) /,
  )
  assert.match(describePdu(response, 0, sense.subarray(0, 3)), /^SCSI Response \(CHECK CONDITION\) /)
  const failed = SCSI_RESPONSE.write({ ...values, response: 1 })
  assert.match(describePdu(failed, 0, sense), /^SCSI Response \(Target failure\) /)
  const data = DATA_IN.write({ opcode: Opcode.dataIn, statusPresent: 1, itt: 1 })
  assert.match(describePdu(data), /^SCSI Data-In \(GOOD\) /)
  assert.match(describePdu(DATA_IN.write({ opcode: Opcode.dataIn, itt: 1 })), /^SCSI Data-In itt/)
})

test('a long CDB goes on in the additional header, where that is there', () => {
  const values = { opcode: READ_32.opcode, serviceAction: READ_32.serviceAction, lba: 7, blocks: 9 }
  const cdb = READ_32.cdb.write(values as never)
  const command = SCSI_COMMAND.write({ opcode: Opcode.scsiCommand, totalAhsLength: 5, itt: 1, cdb })
  const ahs = EXTENDED_CDB_AHS.write({ ahsLength: 17, ahsType: 1 })
  const whole = Uint8Array.of(...command, ...ahs, ...cdb.subarray(16))
  assert.match(describePdu(Uint8Array.of(0, ...whole), 1), /^SCSI Command \(READ \(32\) lba=7 blocks=9\) /)
  assert.match(describePdu(command), /^SCSI Command \(READ \(32\)\) /)
})

test('short headers and unknown opcodes are shown as they are', () => {
  assert.equal(describePdu(new Uint8Array(0)), 'Short PDU header of 0 bytes')
  assert.equal(describePdu(Uint8Array.of(1, 2)), 'Short PDU header of 2 bytes 0102')
  assert.equal(describePdu(new Uint8Array(48).fill(0x0f)), `Unknown opcode 0x0f ${'0f'.repeat(48)}`)
})

test('the header is found in a larger array, and the data after it is not shown', () => {
  const pool = new Uint8Array(200).fill(0x73)
  pool.set(REJECT.write({ opcode: Opcode.reject, reason: 4 }), 10)
  assert.equal(describePdu(pool, 10), 'Reject (Protocol error) reason=4 itt=0x00000000')
})

test('any bytes give one printable line', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 90 }), fc.nat(70), fc.uint8Array(), (bytes, at, data) => {
      assert.match(describePdu(bytes, at, data), /^[ -~]+$/)
    }),
    { numRuns: 2000 },
  )
})
