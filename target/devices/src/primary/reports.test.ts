// SPDX-License-Identifier: Apache-2.0
// REPORT LUNS, REQUEST SENSE, and what REPORT SUPPORTED … say of commands and task management.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_FIELD_IN_CDB,
  MEDIUM_NOT_PRESENT,
  POWER_ON_OCCURRED,
  READ_10,
  REPORT_LUNS,
  REPORT_SUPPORTED_OPERATION_CODES as REPORT_OPCODES,
  REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS as REPORT_TMF,
  REQUEST_SENSE,
  readSense,
  type SenseCode,
  Status,
  SUPPORTED_TASK_MANAGEMENT,
} from '@lunkit/spec'
import { cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

// Requirement: SPC-4, REPORT LUNS command: SELECT REPORT, both ways of addressing, truncation.
test('REPORT LUNS: selections, both ways of addressing, truncation', async () => {
  const { bench } = await openDisk()
  bench.luns = [0, 255, 256, 16_383]
  const hex = '0000000000000000' + '00ff000000000000' + '4100000000000000' + '7fff000000000000'
  for (const selectReport of [0, 2]) {
    const { data } = await bench.run(cdbOf(REPORT_LUNS, { selectReport, allocation: 1024 }))
    assert.equal(data.toString('hex'), `0000002000000000${hex}`)
    const cut = await bench.run(cdbOf(REPORT_LUNS, { selectReport, allocation: 16 }))
    assert.deepEqual(cut.data, data.subarray(0, 16))
  }
  const none = await bench.run(cdbOf(REPORT_LUNS, { selectReport: 1, allocation: 1024 }))
  assert.equal(none.data.toString('hex'), '0000000000000000')
})

test('REPORT LUNS: refused', async () => {
  const { bench } = await openDisk()
  const select = await bench.run(cdbOf(REPORT_LUNS, { selectReport: 3, allocation: 1024 }))
  assert.deepEqual([select.sense, select.field?.byte], [INVALID_FIELD_IN_CDB, 2])
  const short = await bench.run(cdbOf(REPORT_LUNS, { allocation: 15 }))
  assert.deepEqual([short.sense, short.field?.byte], [INVALID_FIELD_IN_CDB, 6])
})

// Requirement: SPC-4, REQUEST SENSE command: a pending unit attention is returned once, then the state of the unit.
test('REQUEST SENSE: a unit attention once, then the state, then nothing', async () => {
  const { bench, disk } = await openDisk({ removable: true })
  const ask = async (desc: number): Promise<Partial<SenseCode>> => {
    const { data } = await bench.run(cdbOf(REQUEST_SENSE, { desc, allocation: 252 }))
    const { key, asc, ascq, descriptor } = readSense(data)!
    assert.equal(descriptor, desc === 1)
    return { key, asc, ascq }
  }
  const numbers = ({ key, asc, ascq }: SenseCode) => ({ key, asc, ascq })
  for (const desc of [0, 1]) {
    bench.nexusUnits[0]!.attentions.push(POWER_ON_OCCURRED)
    disk.notReady = MEDIUM_NOT_PRESENT
    assert.deepEqual(await ask(desc), numbers(POWER_ON_OCCURRED))
    assert.deepEqual(await ask(desc), numbers(MEDIUM_NOT_PRESENT))
    disk.notReady = null
    assert.deepEqual(await ask(desc), { key: 0, asc: 0, ascq: 0 })
  }
  assert.equal((await bench.run(cdbOf(REQUEST_SENSE, { allocation: 4 }))).data.length, 4)
})

const one = (values: Record<string, number>) => cdbOf(REPORT_OPCODES, { allocation: 0xffff, ...values })

// Requirement: SPC-4, REPORT SUPPORTED OPERATION CODES command: every supported command, with timeouts if RCTD.
test('REPORT SUPPORTED OPERATION CODES: all, with and without timeouts', async () => {
  const { bench } = await openDisk()
  // What depends on the target's set-up is not there in a plain one.
  const bindings = bench.device.type.bindings.filter(({ offered }) => offered === null)
  const plain = (await bench.run(one({}))).data
  const timed = (await bench.run(one({ rctd: 1 }))).data
  assert.equal(plain.length, 4 + 8 * bindings.length)
  assert.equal(timed.length, 4 + 20 * bindings.length)
  bindings.forEach(({ command }, index) => {
    const actions = command.serviceAction >= 0
    const entry = plain.subarray(4 + 8 * index, 12 + 8 * index)
    assert.deepEqual([entry[0], entry[5]], [command.opcode, actions ? 1 : 0])
    assert.equal(entry.readUInt16BE(2), actions ? command.serviceAction : 0)
    assert.equal(entry.readUInt16BE(6), command.length)
    const long = timed.subarray(4 + 20 * index, 24 + 20 * index)
    assert.equal(long[5], actions ? 3 : 2)
    assert.equal(long.readUInt16BE(8), 0x0a)
  })
  assert.equal((await bench.run(one({ allocation: 10 }))).data.length, 10)
})

// Requirement: SPC-4, REPORT SUPPORTED OPERATION CODES command: usage data of one command.
test('REPORT SUPPORTED OPERATION CODES: one command', async () => {
  const { bench } = await openDisk()
  const read = await bench.run(one({ reportingOptions: 1, requestedOpcode: READ_10.opcode }))
  // DPO and FUA, LBA, length, NACA; no RDPROTECT or RARC.
  assert.equal(read.data.toString('hex'), `0003000a${'2818ffffffff3fffff04'}`)
  const timed = await bench.run(one({ reportingOptions: 1, requestedOpcode: READ_10.opcode, rctd: 1 }))
  assert.equal(timed.data.toString('hex'), `0083000a${'2818ffffffff3fffff04'}000a0000000000010000001e`)
  const capacity = { requestedOpcode: 0x9e, requestedServiceAction: 0x10 }
  for (const reportingOptions of [2, 3]) {
    const { data } = await bench.run(one({ reportingOptions, ...capacity }))
    assert.equal(data.toString('hex'), `00030010${'9e100000000000000000ffffffff0004'}`)
  }
})

// Requirement: SPC-4, REPORT SUPPORTED OPERATION CODES command: SUPPORT 001b for what is not there; reporting options
// that do not fit are refused.
test('REPORT SUPPORTED OPERATION CODES: commands that are not there, and questions that are wrong', async () => {
  const { bench } = await openDisk()
  const notThere = [
    { reportingOptions: 1, requestedOpcode: 0xc1 },
    { reportingOptions: 2, requestedOpcode: 0xc1, requestedServiceAction: 1 },
    { reportingOptions: 2, requestedOpcode: 0x9e, requestedServiceAction: 0x1f },
    { reportingOptions: 3, requestedOpcode: 0x9e, requestedServiceAction: 0x1f },
    { reportingOptions: 3, requestedOpcode: 0x28, requestedServiceAction: 1 },
  ]
  for (const values of notThere) assert.equal((await bench.run(one(values))).data.toString('hex'), '00010000')
  const wrong = [
    { reportingOptions: 1, requestedOpcode: 0x9e },
    { reportingOptions: 2, requestedOpcode: 0x28 },
    { reportingOptions: 4 },
    { reportingOptions: 7 },
  ]
  for (const values of wrong) {
    const { sense, field } = await bench.run(one(values))
    assert.deepEqual([sense, field?.byte], [INVALID_FIELD_IN_CDB, 2])
  }
})

// Requirement: SPC-4, REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS command: the functions that are answered.
test('REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS', async () => {
  const { bench } = await openDisk()
  const { data } = await bench.run(cdbOf(REPORT_TMF, { allocation: 255 }))
  assert.equal(data.toString('hex'), 'fe070000')
  const long = await bench.run(cdbOf(REPORT_TMF, { repd: 1, allocation: 255 }))
  assert.equal(long.data.length, SUPPORTED_TASK_MANAGEMENT.length)
  // Aborting takes up to the engine's limit, 5 s on the bench; queries are short.
  assert.equal(long.data.toString('hex'), 'fe07000c0100040600000032' + '00000001')
  assert.equal((await bench.run(cdbOf(REPORT_TMF, { allocation: 4 }))).status, Status.good)
  assert.equal((await bench.run(cdbOf(REPORT_TMF, { allocation: 3 }))).sense, INVALID_FIELD_IN_CDB)
})
