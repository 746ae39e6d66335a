// SPDX-License-Identifier: Apache-2.0
// Stores, filters and devices of a third party, made with the contracts and the dictionary alone, used over iSCSI.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INQUIRY, TEST_UNIT_READY } from '@lunkit/spec'
import {
  type BackingStore,
  type Device,
  type DeviceType,
  defaultPolicies,
  type FilterType,
  on,
  reply,
  StoreError,
  type StoreIo,
  type StoreType,
  succeed,
} from '@lunkit/target-api'
import { connect } from 'lunkit/initiator'
import { createTarget, disk, type LunSource, lun, memory, overlay } from 'lunkit/target'

const INITIATOR = { initiatorName: 'iqn.2026-11.test.lunkit:own-plug-ins' }

/** Every byte is `fill`, whatever was written. */
class Constant implements BackingStore {
  readonly size = 1 << 20
  readonly preferredBlock = 4096
  readonly canWrite = true
  readonly volatileCache = false
  readonly discards = 'none'
  readonly writesZeroes = 'emulated'
  readonly identity = ''
  readonly fill: number
  closed = false
  constructor(fill: number) {
    this.fill = fill
  }
  read(io: StoreIo): void {
    for (const segment of io.segments) segment.fill(this.fill)
    io.finish(StoreError.none)
  }
  write(io: StoreIo): void {
    io.finish(StoreError.none)
  }
  flush(io: StoreIo): void {
    io.finish(StoreError.none)
  }
  async close(): Promise<void> {
    this.closed = true
  }
}

const constant: StoreType = {
  apiVersion: 1,
  name: 'constant',
  parameters: { fill: { type: 'integer', help: 'The byte', required: true, argument: true } },
  open: async ({ fill }) => new Constant(Number(fill)),
}

/** Adds one to every byte that is read. */
const plus: FilterType = {
  apiVersion: 1,
  name: 'plus',
  parameters: { by: { type: 'integer', help: 'What is added', initial: 1 } },
  open: async (below, { by }) => new Constant((below as Constant).fill + Number(by)),
}

class Toaster implements Device {
  readonly type = toaster
  readonly blockSize = 0
  readonly blocks = 0
  readonly writable = false
  readonly maxTransfer = 0
  readonly notReady = null
  readonly occupied = null
  readonly policies = defaultPolicies()
  attach(): void {}
  abort(): void {}
  reset(): void {}
  nexusLost(): void {}
  async close(): Promise<void> {}
}

const STANDARD = Buffer.from('\x03\0\x06\x02\x1f\0\0\x02ACME    TOASTER         1   ', 'latin1')

const toaster: DeviceType = {
  apiVersion: 1,
  name: 'toaster',
  peripheralType: 3,
  parameters: {},
  bindings: [
    on(TEST_UNIT_READY, succeed),
    on(INQUIRY, task => reply(task, Buffer.from(STANDARD), INQUIRY.cdb.field.allocation.get(task.cdb, 0))),
  ],
  open: async () => new Toaster(),
}

async function readOf(source: LunSource): Promise<number> {
  await using target = await createTarget({ luns: [source] })
  await using unit = await connect(target.url, INITIATOR)
  return (await unit.read(7, 1))[100]!
}

test('a store is a disk, and closed with the target', async () => {
  const store = new Constant(5)
  assert.equal(await readOf(store), 5)
  assert.equal(store.closed, true)
  assert.equal(await readOf(disk(new Constant(6), { block: 4096 })), 6)
})

test('store types and filters take their keys, beside and below lunkit’s own', async () => {
  assert.equal(await readOf(lun({ store: constant, keys: { fill: 8 } })), 8)
  assert.equal(await readOf(lun({ filters: [plus], store: constant, keys: { fill: 8, 'plus.by': 3 } })), 11)
  assert.equal(await readOf(overlay(lun({ store: constant, keys: { fill: 9 } }))), 9)
  assert.equal(await readOf(lun({ store: memory('1M'), keys: { block: 4096 } })), 0)
  assert.equal(await readOf(lun({ filters: [plus], store: new Constant(1) })), 2)
})

test('a device type is a unit', async () => {
  await using target = await createTarget({ luns: [lun({ device: toaster })] })
  assert.equal(target.luns[0]!.kind, 'toaster')
  await using unit = await connect(target.url, INITIATOR)
  await unit.testReady()
  const { vendor, product, deviceType } = await unit.inquiry()
  assert.deepEqual([vendor, product, deviceType], ['ACME', 'TOASTER', 3])
})

test('parts that are none, and one store at two places, are refused', async () => {
  const refused = (source: () => LunSource, code: string) =>
    assert.rejects(async () => createTarget({ luns: [source()] }), { name: 'OperatorError', code })
  await refused(() => lun({}), 'LUN_ARGUMENT')
  await refused(() => lun({ store: { ...constant, apiVersion: 2 as 1 } }), 'PLUGIN_WRONG')
  await refused(() => lun({ device: { ...toaster, name: 'A B' } }), 'PLUGIN_WRONG')
  await refused(() => lun({ store: constant }), 'PARAMETER_MISSING')
  await refused(() => lun({ store: constant, keys: { fill: 1, other: 2 } }), 'LUN_KEY_UNKNOWN')
  await refused(() => Object.assign(new Constant(1), { size: 0 }), 'STORE_WRONG')
  await refused(() => Object.assign(new Constant(1), { flush: 1 }), 'STORE_WRONG')
  await refused(() => Object.assign(new Constant(1), { discards: 'native' }), 'STORE_WRONG')
  const store = new Constant(1)
  await assert.rejects(createTarget({ luns: [store, store] }), { code: 'OBJECT_TWICE' })
})
