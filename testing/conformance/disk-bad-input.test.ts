// SPDX-License-Identifier: Apache-2.0
// What a disk must not swallow: every bit that a CDB may not have, every parameter list and every block cut short.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COMPARE_AND_WRITE,
  type Command,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  MODE_SENSE_10,
  PARAMETER_LIST_LENGTH_ERROR,
  PERSISTENT_RESERVE_IN_READ_KEYS,
  REPORT_REFERRALS,
  readSense,
  type SenseCode,
  Status,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
} from '@lunkit/spec'
import type { Binding } from '@lunkit/target-api'
import type { LocalAnswer } from '@lunkit/target-driver-local'
import { cdbOf } from '../kit/device-bench.ts'
import { localBench } from '../kit/local-bench.ts'
import { PARAMETER_LISTS, type ParameterListCase, WITHOUT_LIST } from './parameter-lists.ts'

// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
type AnyCommand = Command<any>

const VARIABLE_LENGTH = 0x7f
const SIZE = 64 * 1024

/** A disk that has every command, and what there is to see of its state. */
async function subject() {
  const { engine, store, device, target, connect } = await localBench({
    size: SIZE,
    maps: true,
    atomicWrite: 8192,
  })
  target.setPortGroups({ groups: [{ id: 1, ports: [1] }] })
  const initiator = await connect('one')
  const run = (cdb: Uint8Array, dataOut?: Uint8Array) =>
    initiator.execute({ lun: 0, cdb, ...(dataOut === undefined ? { expectedIn: 65_536 } : { dataOut }) })
  const look = async (command: AnyCommand, values: Record<string, number>) =>
    (await run(cdbOf(command, { allocation: 4096, ...values }))).dataIn
  /** Blocks, mode pages and reservation keys. */
  const state = async () => [
    Buffer.from(store.bytes),
    await look(MODE_SENSE_10, { pageCode: 0x3f, subpage: 0xff }),
    await look(PERSISTENT_RESERVE_IN_READ_KEYS, {}),
  ]
  // Referrals are for units that have some.
  const bindings = device.type.bindings.filter(({ command }) => command !== REPORT_REFERRALS)
  return { engine, store, bindings, run, state }
}

/** Bits of the CDB that this binding does not take: all but those of its fields, and two that are the vendor's. */
function* forbidden({ command, usage }: Binding): Generator<[byte: number, bit: number]> {
  const control = command.opcode === VARIABLE_LENGTH ? 1 : command.length - 1
  for (let byte = 1; byte < command.length; byte++) {
    for (let bit = 7; bit >= 0; bit--) {
      const vendor = byte === control && bit >= 6
      if (!vendor && (usage[byte]! & (1 << bit)) === 0) yield [byte, bit]
    }
  }
}

function expectSense(answer: LocalAnswer, code: SenseCode, what: string) {
  assert.equal(answer.status, Status.checkCondition, what)
  const sense = readSense(answer.sense)
  assert.deepEqual([sense?.key, sense?.asc, sense?.ascq], [code.key, code.asc, code.ascq], what)
  return sense
}

// Requirement: SPC-4, Sense key specific sense data, field pointer: a bit that has to be zero is refused where it stands, and nothing is done.
test('each bit that a CDB may not have is refused, one by one, with its place', async () => {
  const { engine, store, bindings, run, state } = await subject()
  const before = await state()
  store.takeCalls()
  let seen = 0
  for (const binding of bindings) {
    for (const [byte, bit] of forbidden(binding)) {
      const cdb = cdbOf(binding.command)
      cdb[byte]! |= 1 << bit
      const what = `${binding.command.name}, byte ${byte} bit ${bit}`
      const sense = expectSense(await run(cdb), INVALID_FIELD_IN_CDB, what)
      assert.deepEqual(sense?.fieldPointer, { byte, bit, inCdb: true }, what)
      seen++
    }
  }
  assert.ok(seen > 1000, `${seen} bits`)
  assert.deepEqual(store.takeCalls(), [])
  assert.deepEqual(await state(), before)
  await engine.close()
})

test('a 32-byte CDB of another length, or of an unknown service action, is refused at that field', async () => {
  const { engine, bindings, run } = await subject()
  const long = bindings.filter(({ command }) => command.opcode === VARIABLE_LENGTH)
  assert.ok(long.length > 5)
  for (const { command } of long) {
    for (const length of [0, 0x17, 0x19, 0xff]) {
      const cdb = cdbOf(command)
      cdb[7] = length
      const sense = expectSense(await run(cdb), INVALID_FIELD_IN_CDB, command.name)
      assert.equal(sense?.fieldPointer?.byte, 7, command.name)
    }
  }
  const cdb = cdbOf(long[0]!.command)
  cdb.set([0xff, 0xff], 8)
  assert.equal(expectSense(await run(cdb), INVALID_FIELD_IN_CDB, 'no action')?.fieldPointer?.byte, 8)
  await engine.close()
})

/** The CDB for so many bytes, where it tells them. */
function cdbFor({ command, values }: ParameterListCase, parameterLength: number): Uint8Array {
  const told = 'parameterLength' in command.cdb.field
  return cdbOf(command as AnyCommand, { ...values, ...(told && { parameterLength }) })
}

for (const one of PARAMETER_LISTS) {
  const { command, list, goodAt, least, needsMore } = one

  // Requirement: SPC-4, PARAMETER LIST LENGTH: a list that ends within one of its parts is refused and changes nothing.
  test(`${command.name}: its list cut at each byte`, async () => {
    const { engine, store, run, state } = await subject()
    const before = await state()
    store.takeCalls()
    for (let length = 0; length < list.length; length++) {
      const part = list.subarray(0, length)
      const what = `${length} of ${list.length} bytes`
      if ('parameterLength' in command.cdb.field) {
        const told = await run(cdbFor(one, length), part)
        if (goodAt.includes(length)) assert.equal(told.status, Status.good, what)
        else if (length < least) expectSense(told, INVALID_FIELD_IN_CDB, what)
        else expectSense(told, PARAMETER_LIST_LENGTH_ERROR, what)
      }
      // The CDB asks for all of it, and the initiator has less.
      expectSense(await run(cdbFor(one, list.length), part), PARAMETER_LIST_LENGTH_ERROR, `${what}, not told`)
    }
    assert.deepEqual(store.takeCalls(), [])
    assert.deepEqual(await state(), before)
    // Or nothing would have been shown.
    const whole = await run(cdbFor(one, list.length), list)
    if (needsMore) assert.notEqual(readSense(whole.sense)?.asc, PARAMETER_LIST_LENGTH_ERROR.asc)
    else assert.equal(whole.status, Status.good, `${readSense(whole.sense)?.asc}`)
    await engine.close()
  })
}

/** They refuse whole blocks, too, if there are fewer than the CDB names. */
const ALL_OR_NOTHING: ReadonlyMap<AnyCommand, SenseCode> = new Map<AnyCommand, SenseCode>([
  [COMPARE_AND_WRITE, INVALID_FIELD_IN_CDB],
  [WRITE_ATOMIC_16, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT],
  [WRITE_ATOMIC_32, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT],
  [WRITE_SAME_10, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT],
  [WRITE_SAME_16, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT],
  [WRITE_SAME_32, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT],
])

test('blocks that come in part are refused, and none is written', async () => {
  const { engine, store, bindings, run, state } = await subject()
  const before = await state()
  store.takeCalls()
  let seen = 0
  for (const { command, blocks } of bindings) {
    if (command.data !== 'out' || blocks === null) continue
    seen++
    const compares = 'bytchk' in command.cdb.field && !command.writes ? { bytchk: 1 } : {}
    const code = ALL_OR_NOTHING.get(command)
    const lengths = [
      1,
      511,
      513,
      1023,
      ...(code === undefined ? [] : [1024].filter(() => command !== COMPARE_AND_WRITE)),
    ]
    for (const length of lengths) {
      const cdb = cdbOf(command, { lba: 2, blocks: code === undefined ? 2 : 3, ...compares })
      const wanted = code ?? INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT
      expectSense(await run(cdb, Buffer.alloc(length, 0xee)), wanted, `${command.name}, ${length} bytes`)
    }
  }
  assert.ok(seen > 15, `${seen} commands`)
  assert.deepEqual(store.takeCalls(), [])
  assert.deepEqual(await state(), before)
  await engine.close()
})

test('every command with data-out is in one of these tables', async () => {
  const { engine, bindings } = await subject()
  const lists = new Set<Command>(PARAMETER_LISTS.map(({ command }) => command))
  const left = bindings
    .filter(({ command, blocks }) => command.data === 'out' && blocks === null)
    .filter(({ command }) => !lists.has(command) && !WITHOUT_LIST.has(command))
  assert.deepEqual(
    left.map(({ command }) => command.name),
    [],
    'give it a parameter list in parameter-lists.ts',
  )
  await engine.close()
})
