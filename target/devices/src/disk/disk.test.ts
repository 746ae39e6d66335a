// SPDX-License-Identifier: Apache-2.0
// The disk's command list as a golden table, its parameters, and stores that it cannot serve.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DeviceType, OperatorError, readParameters, StoreError } from '@lunkit/target-api'
import { type StandInOptions, StandInStore } from '../../../../testing/kit/stand-in-store.ts'
import { openDisk } from './disk.test-kit.ts'
import { device } from './index.ts'

/** Typed by hand from T10's operation code list. */
const GOLDEN = `
00 TEST UNIT READY
03 REQUEST SENSE
04 FORMAT UNIT
07 REASSIGN BLOCKS
08 READ (6)
0a WRITE (6)
0b SEEK (6)
12 INQUIRY
15 MODE SELECT (6)
16 RESERVE (6)
17 RELEASE (6)
1a MODE SENSE (6)
1b START STOP UNIT
1c RECEIVE DIAGNOSTIC RESULTS
1d SEND DIAGNOSTIC
1e PREVENT ALLOW MEDIUM REMOVAL
25 READ CAPACITY (10)
28 READ (10)
2a WRITE (10)
2b SEEK (10)
2e WRITE AND VERIFY (10)
2f VERIFY (10)
34 PRE-FETCH (10)
35 SYNCHRONIZE CACHE (10)
37 READ DEFECT DATA (10)
3b WRITE BUFFER
3c READ BUFFER (10)
41 WRITE SAME (10)
42 UNMAP
48/1 SANITIZE OVERWRITE
48/1f SANITIZE EXIT FAILURE MODE
48/2 SANITIZE BLOCK ERASE
48/3 SANITIZE CRYPTOGRAPHIC ERASE
4c LOG SELECT
4d LOG SENSE
55 MODE SELECT (10)
56 RESERVE (10)
57 RELEASE (10)
5a MODE SENSE (10)
5e/0 PERSISTENT RESERVE IN, READ KEYS
5e/1 PERSISTENT RESERVE IN, READ RESERVATION
5e/2 PERSISTENT RESERVE IN, REPORT CAPABILITIES
5e/3 PERSISTENT RESERVE IN, READ FULL STATUS
5f/0 PERSISTENT RESERVE OUT, REGISTER
5f/1 PERSISTENT RESERVE OUT, RESERVE
5f/2 PERSISTENT RESERVE OUT, RELEASE
5f/3 PERSISTENT RESERVE OUT, CLEAR
5f/4 PERSISTENT RESERVE OUT, PREEMPT
5f/5 PERSISTENT RESERVE OUT, PREEMPT AND ABORT
5f/6 PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY
5f/7 PERSISTENT RESERVE OUT, REGISTER AND MOVE
5f/8 PERSISTENT RESERVE OUT, REPLACE LOST RESERVATION
7f/12 GET LBA STATUS (32)
7f/9 READ (32)
7f/a VERIFY (32)
7f/b WRITE (32)
7f/c WRITE AND VERIFY (32)
7f/d WRITE SAME (32)
7f/f WRITE ATOMIC (32)
83/0 EXTENDED COPY (LID1)
83/10 POPULATE TOKEN
83/11 WRITE USING TOKEN
83/1c COPY OPERATION ABORT
84/0 RECEIVE COPY STATUS (LID1)
84/1 RECEIVE COPY DATA (LID1)
84/3 RECEIVE COPY OPERATING PARAMETERS
84/4 RECEIVE COPY FAILURE DETAILS (LID1)
84/7 RECEIVE ROD TOKEN INFORMATION
88 READ (16)
89 COMPARE AND WRITE
8a WRITE (16)
8b ORWRITE (16)
8e WRITE AND VERIFY (16)
8f VERIFY (16)
90 PRE-FETCH (16)
91 SYNCHRONIZE CACHE (16)
93 WRITE SAME (16)
9b READ BUFFER (16)
9c WRITE ATOMIC (16)
9e/10 READ CAPACITY (16)
9e/12 GET LBA STATUS (16)
9e/13 REPORT REFERRALS
a0 REPORT LUNS
a3/5 REPORT IDENTIFYING INFORMATION
a3/a REPORT TARGET PORT GROUPS
a3/c REPORT SUPPORTED OPERATION CODES
a3/d REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
a3/f REPORT TIMESTAMP
a4/6 SET IDENTIFYING INFORMATION
a4/a SET TARGET PORT GROUPS
a4/f SET TIMESTAMP
a8 READ (12)
aa WRITE (12)
ab/1 READ MEDIA SERIAL NUMBER
ae WRITE AND VERIFY (12)
af VERIFY (12)
b7 READ DEFECT DATA (12)
`

const listOf = ({ bindings }: DeviceType): string[] =>
  bindings.map(({ command: { opcode, serviceAction, name } }) => {
    const action = serviceAction < 0 ? '' : `/${serviceAction.toString(16)}`
    return `${opcode.toString(16).padStart(2, '0')}${action} ${name}`
  })

test('the command list is the golden one; UNMAP and WRITE ATOMIC are there where the store can do it', async () => {
  const golden = GOLDEN.trim().split('\n')
  assert.deepEqual(listOf(device).sort(), golden)
  const listWith = async (store: Partial<StandInOptions>) =>
    listOf((await openDisk({}, store)).disk.type).sort()
  assert.deepEqual(await listWith({ maps: true, destroys: true, atomicWrite: 4096 }), golden)
  assert.deepEqual(
    await listWith({ maps: true, atomicWrite: 4096 }),
    golden.filter(line => !line.includes('CRYPTOGRAPHIC')),
  )
  const torn = golden.filter(line => !/ATOMIC|BLOCK ERASE|CRYPTOGRAPHIC/.test(line))
  assert.deepEqual(await listWith({ thin: true }), torn)
  assert.deepEqual(
    await listWith({ thin: false }),
    torn.filter(line => line !== '42 UNMAP'),
  )
  const { disk } = await openDisk({ cdb: 16 }, { thin: true })
  assert.deepEqual(
    listOf(disk.type).sort(),
    torn.filter(line => !line.startsWith('7f')),
  )
})

test('parameters: what a user writes, and what is there without a word', async () => {
  const given = (values: Record<string, string>) => readParameters('disk', device.parameters, values)
  assert.deepEqual(given({}), {
    block: 512,
    physical: 4096,
    readonly: false,
    removable: false,
    wce: true,
    rotation: 1,
    cdb: 32,
  })
  assert.deepEqual(given({ block: '4K', readonly: 'yes' })['block'], 4096)
  assert.throws(() => given({ block: '520' }), { code: 'PARAMETER_VALUE' })
  const { disk } = await openDisk(given({ block: '4K', removable: 'on' }))
  assert.deepEqual([disk.blockSize, disk.blocks, disk.removable, disk.writable], [4096, 512, true, true])
})

const reject = async (code: string, size: number, values: Record<string, number> = {}): Promise<void> => {
  await assert.rejects(device.open(new StandInStore({ size }), values), (error: unknown) => {
    assert.ok(error instanceof OperatorError)
    assert.equal(error.code, code)
    assert.notEqual(error.hint, '')
    return true
  })
}

test('stores and values that do not fit are refused with a way out', async () => {
  await reject('STORE_EMPTY', 0)
  await reject('STORE_SIZE', 1000)
  await reject('STORE_SIZE', 512 * 9, { block: 4096 })
  const image = Object.assign(new StandInStore({ size: 1000 }), { note: 'it looks like an image' })
  await assert.rejects(device.open(image, {}), {
    hint: 'it looks like an image; if it is a disk as it is, make it 1024 bytes long',
  })
  await reject('STORE_TOO_LARGE', 2 ** 53)
  await reject('PHYSICAL_BELOW_BLOCK', 4096, { block: 4096, physical: 512 })
  await reject('BLOCK_SIZE', 4096, { block: 520 })
  for (const rotation of [2, 1024, 65_535, 1.5, -1]) await reject('ROTATION_VALUE', 4096, { rotation })
  await assert.rejects(device.open(null, {}), { code: 'STORE_MISSING' })
})

test('a store of one block and one that ends within a physical block are served', async () => {
  assert.equal((await openDisk({}, { size: 512 })).disk.blocks, 1)
  assert.equal((await openDisk({ physical: 4096 }, { size: 512 * 9 })).disk.blocks, 9)
})

test('close flushes what the cache holds', async () => {
  const { bench, store } = await openDisk()
  await bench.run([0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], { out: Buffer.alloc(512, 4) })
  await bench.device.close()
  assert.deepEqual(store.durable, store.bytes)
  assert.equal(store.closed, true)
})

test('a last flush that fails is told, and the store is closed all the same', async () => {
  const { bench, store } = await openDisk()
  await bench.run([0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], { out: Buffer.alloc(512, 4) })
  store.failNext('flush', StoreError.medium)
  await assert.rejects(bench.device.close(), { code: 'STORE_FLUSH' })
  assert.equal(store.closed, true)
})

test('a flush that nobody waited for and that failed is told at close at the latest', async () => {
  const { bench, store } = await openDisk()
  store.failNext('flush', StoreError.medium)
  await bench.run([0x35, 2, 0, 0, 0, 0, 0, 0, 0, 0])
  await assert.rejects(bench.device.close(), { code: 'STORE_FLUSH' })
})

/** MODE SELECT (6) of the caching page, with WCE on or off. */
const writeCache = (on: boolean): Buffer => Buffer.from([0, 0, 0, 0, 8, 18, on ? 4 : 0, ...Array(17).fill(0)])

// Requirement: SBC-4, Caching mode page: written data survives the return of mode parameters to their defaults.
test('a reset that switches the cache off makes durable what it holds', async () => {
  const { bench, store, disk } = await openDisk({ wce: false })
  const list = writeCache(true)
  await bench.run([0x15, 0x10, 0, 0, list.length, 0], { out: list })
  await bench.run([0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], { out: Buffer.alloc(512, 4) })
  assert.notDeepEqual(store.durable, store.bytes)
  disk.reset()
  assert.equal(disk.writeThrough, true)
  assert.deepEqual(store.durable, store.bytes)
})

// Requirement: SPC-4, Sense key and additional sense code definitions: a command that is not implemented is INVALID
// COMMAND OPERATION CODE.
test('a command that a disk does not have is refused', async () => {
  const { bench, store } = await openDisk()
  assert.equal((await bench.run([0xc1, 0, 0, 0, 0, 0])).sense?.asc, 0x20)
  assert.deepEqual(store.takeCalls(), [])
})
