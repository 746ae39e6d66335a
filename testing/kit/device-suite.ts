// SPDX-License-Identifier: Apache-2.0
// What every device type must hold to, run on a stand-in store: one answer for each command, whatever comes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  INQUIRY,
  REASSIGN_BLOCKS,
  REPORT_SUPPORTED_OPERATION_CODES,
  REQUEST_SENSE,
  ReportingOptions,
  readSense,
  Status,
  VPD_HEADER,
} from '@lunkit/spec'
import { type Binding, type DeviceType, type ParameterValues, StoreError } from '@lunkit/target-api'
import { type Answer, Bench, cdbOf, POISON } from './device-bench.ts'
import { StandInStore } from './stand-in-store.ts'

export interface DeviceSuiteOptions {
  /** Bytes of the store, or null for a type without one. */
  readonly size: number | null
  readonly values?: ParameterValues
  /** The store takes blocks back. */
  readonly thin?: boolean
  /** Random commands for each binding. */
  readonly rounds?: number
}

/** Zeros, but for what makes an UNMAP list of one block (block 1). */
const USEFUL = Buffer.alloc(1 << 16)
USEFUL.set([0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1])

const KNOWN: ReadonlySet<number> = new Set(Object.values(Status))

/** The contract of a device type as tests; call it in the type's own test file. */
export function deviceSuite(type: DeviceType, options: DeviceSuiteOptions): void {
  for (const later of [false, true]) {
    describe(`${type.name}: ${later ? 'a store that answers later' : 'a store that answers at once'}`, () => {
      suite(type, options, later)
    })
  }
}

interface Subject {
  readonly bench: Bench
  readonly store: StandInStore | null
}

function suite(type: DeviceType, options: DeviceSuiteOptions, later: boolean): void {
  const open = async (): Promise<Subject> => {
    const store =
      options.size === null
        ? null
        : new StandInStore({ size: options.size, later, thin: options.thin ?? false })
    return { bench: await Bench.open(type, store, options.values), store }
  }
  const rounds = options.rounds ?? 40
  // What was opened tells what it takes: a type may have commands that not every store allows.
  const bindingsOf = async (): Promise<readonly Binding[]> => {
    const subject = await open()
    await close(subject)
    return subject.bench.device.type.bindings
  }

  test('each command is answered once, with zeros in all fields', async () => {
    const bindings = await bindingsOf()
    assert.ok(bindings.length > 0)
    for (const binding of bindings) {
      const subject = await open()
      check(await subject.bench.run(plainCdb(binding)), binding)
      await close(subject)
    }
  })

  test('each command is answered once, with anything in its fields and its data', async () => {
    const random = generator(0x6c756e6b)
    for (const binding of await bindingsOf()) {
      const subject = await open()
      for (let round = 0; round < rounds; round++) {
        const expectedIn = [0, 1, 200, 4096, 1 << 20][random() % 5]!
        const answer = await subject.bench.run(randomCdb(binding, random, subject.bench.device.blocks), {
          out: randomBytes(random, [0, 1, 8, 24, 512, 1 << 16][random() % 6]!),
          expectedIn,
        })
        check(answer, binding)
        assert.ok(answer.data.length <= expectedIn)
      }
      await close(subject)
    }
  })

  test('a bit that the usage data does not allow is refused, and nothing is done', async () => {
    const { bench, store } = await open()
    for (const binding of await bindingsOf()) {
      for (const [byte, bit] of forbiddenBits(binding)) {
        const cdb = plainCdb(binding)
        cdb[byte]! |= 1 << bit
        const answer = await bench.run(cdb)
        assert.equal(answer.status, Status.checkCondition, binding.command.name)
      }
    }
    assert.deepEqual(store?.takeCalls() ?? [], [])
    await close({ bench, store })
  })

  test('every error of the store ends the command in CHECK CONDITION, or BUSY', async () => {
    if (options.size === null) return
    let seen = 0
    for (const binding of await bindingsOf()) {
      for (const call of ['read', 'write', 'flush', 'discard', 'writeZeroes'] as const) {
        for (const error of Object.values(StoreError).filter(one => one !== StoreError.none)) {
          const { bench, store } = await open()
          store!.failNext(call, error, 0)
          const answer = await bench.run(busyCdb(binding), { out: USEFUL })
          check(answer, binding)
          // It is there to mend blocks that cannot be read.
          const mends = binding.command === REASSIGN_BLOCKS && call === 'read' && error === StoreError.medium
          if (store!.failures.length === 0 && !mends) {
            seen++
            // What works through the whole medium tells of it as a medium that failed.
            const busy = error === StoreError.busy && answer.status === Status.busy
            if (!busy)
              assert.equal(answer.status, Status.checkCondition, `${binding.command.name}: ${call} failed`)
          }
          store!.failures.length = 0
          await close({ bench, store })
        }
      }
    }
    assert.ok(seen > 0, 'no command met the failing store')
  })

  test('an aborted command still ends once', async () => {
    for (const binding of await bindingsOf()) {
      const subject = await open()
      if (subject.store !== null) subject.store.held = true
      const answer = await subject.bench.run(busyCdb(binding), {
        out: USEFUL,
        during(task) {
          task.aborted = true
          subject.bench.device.abort(task)
          subject.store?.release()
        },
      })
      assert.ok(KNOWN.has(answer.status))
      subject.store?.release()
      await close(subject)
    }
  })

  test('reset and nexus loss leave the device able to answer', async () => {
    const subject = await open()
    const { bench } = subject
    for (const binding of await bindingsOf()) await bench.run(busyCdb(binding), { out: USEFUL })
    bench.device.reset()
    bench.device.nexusLost(bench.nexusUnits[1]!.nexus)
    for (const binding of await bindingsOf()) check(await bench.run(plainCdb(binding)), binding)
    await close(subject)
  })

  if (type.otherwise !== undefined) {
    test('what no binding names is answered once too', async () => {
      const subject = await open()
      const answer = await subject.bench.run([0xc1, 0, 0, 0, 0, 0])
      assert.ok(KNOWN.has(answer.status))
      await close(subject)
    })
  }
  if (type.bindings.some(({ command }) => command === INQUIRY)) inquirySuite(open)
  if (type.bindings.some(({ command }) => command === REQUEST_SENSE)) senseSuite(open)
  if (type.bindings.some(({ command }) => command === REPORT_SUPPORTED_OPERATION_CODES)) reportSuite(open)
}

async function close({ bench, store }: Subject): Promise<void> {
  await bench.device.close()
  if (store !== null) assert.equal(store.closed, true, 'the store was not closed')
}

function check(answer: Answer, { command }: Binding): void {
  assert.ok(KNOWN.has(answer.status), `${command.name}: status ${answer.status}`)
  // The stand-in's pattern has no run of the poison that pooled buffers start with.
  assert.equal(answer.data.includes(Buffer.alloc(8, POISON)), false, `${command.name} shows old memory`)
}

function inquirySuite(open: () => Promise<Subject>): void {
  const inquiry = (allocation: number, page = -1): Uint8Array => {
    const values = page < 0 ? { allocation } : { evpd: 1, pageCode: page, allocation }
    return cdbOf(INQUIRY, values)
  }

  test('INQUIRY: standard data and each listed page tell their length, and are cut to the allocation', async () => {
    const subject = await open()
    const { bench } = subject
    const standard = await bench.run(inquiry(0xffff))
    assert.equal(standard.status, Status.good)
    assert.equal(standard.data[4], standard.data.length - 5)
    const list = await bench.run(inquiry(0xffff, 0))
    const pages = list.status === Status.good ? [...list.data.subarray(4)] : []
    assert.deepEqual(
      pages,
      [...new Set(pages)].sort((a, b) => a - b),
      'listed pages ascend',
    )
    for (const page of pages) {
      const { status, data } = await bench.run(inquiry(0xffff, page))
      assert.equal(status, Status.good)
      const header = VPD_HEADER.read(data)
      assert.equal(header.pageCode, page)
      assert.equal(header.length, data.length - 4)
      assert.equal(header.deviceType, bench.device.type.peripheralType)
      for (const allocation of [0, 1, 4, data.length - 1, data.length]) {
        const cut = await bench.run(inquiry(allocation, page))
        assert.deepEqual(cut.data, data.subarray(0, allocation))
        assert.equal(cut.inLength, Math.min(allocation, data.length))
      }
    }
    for (let page = 0; page < 256; page++) {
      const { status } = await bench.run(inquiry(0xffff, page))
      assert.equal(status === Status.good, pages.includes(page), `page ${page.toString(16)}`)
    }
    await close(subject)
  })
}

function senseSuite(open: () => Promise<Subject>): void {
  test('REQUEST SENSE: GOOD, and readable sense in both formats', async () => {
    const subject = await open()
    for (const desc of [0, 1]) {
      const cdb = cdbOf(REQUEST_SENSE, { desc, allocation: 252 })
      const { status, data } = await subject.bench.run(cdb)
      assert.equal(status, Status.good)
      assert.equal(readSense(data)?.descriptor, desc === 1)
    }
    await close(subject)
  })
}

function reportSuite(open: () => Promise<Subject>): void {
  test('REPORT SUPPORTED OPERATION CODES: each binding, and its usage data, read one by one', async () => {
    const subject = await open()
    const report = (values: Record<string, number>): Promise<Answer> =>
      subject.bench.run(cdbOf(REPORT_SUPPORTED_OPERATION_CODES, { allocation: 0xffff, ...values }))
    const all = await report({ reportingOptions: ReportingOptions.all })
    const bindings = subject.bench.device.type.bindings.filter(({ offered }) => offered === null)
    assert.equal(all.data.readUInt32BE(0), 8 * bindings.length)
    for (const { command, usage } of bindings) {
      const actions = command.serviceAction >= 0
      const one = await report({
        reportingOptions: actions ? ReportingOptions.opcodeAndServiceAction : ReportingOptions.opcode,
        requestedOpcode: command.opcode,
        requestedServiceAction: Math.max(command.serviceAction, 0),
      })
      assert.equal(one.status, Status.good, command.name)
      assert.equal(one.data.readUInt16BE(2), command.length)
      assert.equal(one.data[4], command.opcode)
      const wanted = Uint8Array.from(usage)
      // The service action stands there as it is (SPC-4): in byte 1, or in bytes 8 and 9.
      if (actions) command.cdb.field['serviceAction']!.set(wanted, 0, command.serviceAction)
      assert.deepEqual([...one.data.subarray(4 + 2)], [...wanted.subarray(2)], command.name)
    }
    await close(subject)
  })
}

// ---- CDBs ----

const plainCdb = ({ command }: Binding): Uint8Array => cdbOf(command)

/** One block from the first on, or lengths that fit: what makes a command do something. */
function busyCdb(binding: Binding): Uint8Array {
  const cdb = plainCdb(binding)
  const { field } = binding.command.cdb
  binding.blocks?.set(cdb, 0, 1)
  binding.parameterLength?.set(cdb, 0, 24)
  field['allocation']?.set(cdb, 0, 96)
  return cdb
}

function randomCdb(binding: Binding, random: () => number, blocks: number): Uint8Array {
  const { command, usage } = binding
  const cdb = plainCdb(binding)
  const action = command.cdb.field['serviceAction']
  for (let i = 1; i < cdb.length; i++) cdb[i] = random() & usage[i]!
  if (command.serviceAction >= 0) action!.set(cdb, 0, command.serviceAction)
  // Mostly addresses and lengths that can be.
  if (binding.lba !== null && random() % 8 > 0) binding.lba.set(cdb, 0, random() % Math.max(blocks, 1))
  if (binding.blocks !== null && random() % 8 > 0) binding.blocks.set(cdb, 0, random() % 9)
  if (binding.parameterLength !== null && random() % 4 > 0) binding.parameterLength.set(cdb, 0, random() % 33)
  return cdb
}

function* forbiddenBits({ command, usage }: Binding): Generator<[number, number]> {
  for (let byte = 1; byte < command.length; byte++) {
    for (let bit = 0; bit < 8; bit++) if ((usage[byte]! & (1 << bit)) === 0) yield [byte, bit]
  }
}

function randomBytes(random: () => number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = random()
  return bytes
}

/** Marsaglia's xorshift: the same numbers in every run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state >>> 4
  }
}
