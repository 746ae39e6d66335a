// SPDX-License-Identifier: Apache-2.0
// The tray: eject and load by an initiator and by an operator, the events of both, and images that are no discs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError, type StoreWatcher } from '@lunkit/target-api'
import { type Answer, Bench } from '../../../../testing/kit/device-bench.ts'
import { StandInStore } from '../../../../testing/kit/stand-in-store.ts'
import { BD, CD, disc, openDrive } from './drive.test-kit.ts'
import type { Drive } from './drive.ts'
import { device } from './index.ts'

const READY = [0, 0, 0, 0, 0, 0]
const EJECT = [0x1b, 0, 0, 0, 2, 0]
const LOAD = [0x1b, 0, 0, 0, 3, 0]
const PREVENT = [0x1e, 0, 0, 0, 1, 0]
const ALLOW = [0x1e, 0, 0, 0, 0, 0]

type Opened = Awaited<ReturnType<typeof openDrive>>

/** `event present trayOpen` of the media class. */
async function media({ run }: Pick<Opened, 'run'>, nexus: 0 | 1 = 0): Promise<string> {
  const { data } = await run([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0], nexus)
  assert.deepEqual(data.subarray(0, 4), Buffer.from([0, 6, 4, 0x56]))
  return `${data[4]} ${(data[5]! >> 1) & 1} ${data[5]! & 1}`
}

const capacity = async ({ run }: { run(cdb: readonly number[]): Promise<Answer> }): Promise<number> =>
  (await run([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0])).data.readUInt32BE(0) + 1

// Requirement: MMC-6, START STOP UNIT command: LOEJ with START zero opens the tray, with START one it closes it.
test('eject and load: the tray is open, then the disc is there again, and others hear that it may have changed', async () => {
  const drive = await openDrive(CD)
  const { ended } = drive
  assert.equal(await ended(EJECT), 'good')
  assert.equal(await ended(READY), '2/3a/02')
  assert.equal(await ended([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]), '2/3a/02')
  assert.equal(await ended([0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0]), '2/3a/02')
  assert.equal(await ended(EJECT), 'good')
  assert.equal(await ended([0x1b, 0, 0, 0, 1, 0]), '2/3a/02')
  assert.equal(await ended(LOAD), 'good')
  assert.equal(await ended(READY), 'good')
  assert.equal(await ended(READY, 1), '6/28/00')
  assert.equal(await ended(READY, 1), 'good')
})

test('an empty drive is not ready, and says whether its tray is open', async () => {
  const { ended } = await openDrive(null)
  assert.equal(await ended(READY), '2/3a/01')
  assert.equal(await ended(EJECT), 'good')
  assert.equal(await ended(READY), '2/3a/02')
  assert.equal(await ended(LOAD), 'good')
  assert.equal(await ended(READY), '2/3a/01')
})

test('START STOP UNIT without LOEJ and with power conditions leaves the disc ready', async () => {
  const { ended } = await openDrive(CD)
  for (const byte of [0, 1, 0x10, 0x20, 0x30]) assert.equal(await ended([0x1b, 0, 0, 0, byte, 0]), 'good')
  assert.equal(await ended([0x1b, 0, 0, 0, 0x50, 0]), '5/24/00')
  assert.equal(await ended(READY), 'good')
})

// Requirement: MMC-6, PREVENT ALLOW MEDIUM REMOVAL command: while removal is prevented, the tray does not open.
test('an eject that any initiator prevents is refused', async () => {
  const { ended } = await openDrive(CD)
  await ended(PREVENT, 1)
  assert.equal(await ended(EJECT), '5/53/02')
  assert.equal(await ended(READY), 'good')
  await ended(ALLOW, 1)
  assert.equal(await ended(EJECT), 'good')
})

// Requirement: MMC-6, GET EVENT STATUS NOTIFICATION command: each media event is told once, and then there is no change.
test('each initiator that polls hears of each event once, in order', async () => {
  const drive = await openDrive(CD)
  assert.equal(await media(drive), '0 1 0')
  assert.equal(await media(drive, 1), '0 1 0')
  await drive.run(EJECT)
  assert.equal(await media(drive), '3 0 1')
  assert.equal(await media(drive), '0 0 1')
  await drive.run(LOAD)
  assert.equal(await media(drive), '2 1 0')
  assert.equal(await media(drive, 1), '3 1 0')
  assert.equal(await media(drive, 1), '2 1 0')
  assert.equal(await media(drive, 1), '0 1 0')
})

test('an initiator that does not poll piles nothing up, and one that is gone is forgotten', async () => {
  const drive = await openDrive(CD)
  await media(drive)
  for (let i = 0; i < 50; i++) {
    await drive.run(EJECT)
    await drive.run(LOAD)
  }
  const seen: string[] = []
  for (let event = ''; event !== '0 1 0'; seen.push(event)) event = await media(drive)
  assert.equal(seen.length, 9)
  drive.drive.nexusLost(drive.bench.nexusUnits[0]!.nexus)
  await drive.run(EJECT)
  assert.equal(await media(drive), '0 0 1')
})

test('operational events come first; classes that there are not have no event; without polling it is refused', async () => {
  const { run, ended } = await openDrive(CD)
  const poll = async (classes: number, room = 8) =>
    (await run([0x4a, 1, 0, 0, classes, 0, 0, 0, room, 0])).data.toString('hex')
  assert.equal(await poll(0x12), '0006015600000000')
  await run(EJECT)
  assert.equal(await poll(0x12, 4), '00060156')
  assert.equal(await poll(0x12), '0006015602000001')
  assert.equal(await poll(0x12), '0006045603010000')
  assert.equal(await poll(0x12), '0006015600000000')
  assert.equal(await poll(0x04), '0006025600010000')
  assert.equal(await poll(0x40), '0006065600000000')
  assert.equal(await poll(0x28), '00028056')
  assert.equal(await ended([0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8, 0]), '5/24/00')
})

test('discs beside the drive: each load takes the next one, and the first comes again after the last', async () => {
  const drive = await openDrive(CD)
  drive.drive.stack(disc(600))
  drive.drive.stack(disc(700))
  for (const sectors of [600, 700, CD, 600]) {
    await drive.run(EJECT)
    await drive.run(LOAD)
    // It is another disc to whoever loaded it, too.
    assert.equal(await drive.ended(READY), '6/28/00')
    assert.equal(await capacity(drive), sectors)
  }
  await drive.drive.close()
})

test('a medium that an operator puts in: held open, taken out, put in', async () => {
  const opened = await openDrive(CD)
  const { drive, ended } = opened
  await media(opened)
  drive.hold()
  assert.equal(await ended(LOAD), '2/3a/02')
  const gone = await drive.takeOut()
  assert.equal(gone, opened.store)
  await gone!.close()
  assert.equal(await drive.takeOut(), null)
  drive.insert(disc(600))
  drive.release()
  assert.equal(await ended(READY), '6/28/00')
  assert.equal(await ended(READY), 'good')
  assert.equal(await media(opened), '3 1 0')
  assert.equal(await media(opened), '2 1 0')
  assert.equal(await capacity(opened), 600)
})

test('an operator who asks for a medium that is in use: an event, and reads go on', async () => {
  const opened = await openDrive(CD)
  await media(opened)
  opened.drive.requestRemoval()
  assert.equal(await media(opened), '1 1 0')
  assert.equal(await opened.ended(READY), 'good')
})

test('a self-test reads the disc, and an empty drive passes it', async () => {
  const SELF_TEST = [0x1d, 4, 0, 0, 0, 0]
  const full = await openDrive(CD)
  assert.equal(await full.ended(SELF_TEST), 'good')
  assert.notDeepEqual(full.store!.takeCalls(), [])
  const empty = await openDrive(null)
  assert.equal(await empty.ended(SELF_TEST), 'good')
  await full.run(EJECT)
  assert.equal(await full.ended(SELF_TEST), 'good')
})

test('images that are no discs are refused with a way out', async () => {
  const refused = async (size: number, code: string): Promise<void> => {
    await assert.rejects(device.open(new StandInStore({ size }), {}), (error: unknown) => {
      assert.ok(error instanceof OperatorError)
      assert.equal(error.code, code)
      assert.notEqual(error.hint, '')
      return true
    })
  }
  await refused(0, 'STORE_EMPTY')
  await refused(2047, 'STORE_SIZE')
  await refused(4096 + 512, 'STORE_SIZE')
  await refused(2 ** 45, 'STORE_TOO_LARGE')
  const { drive } = await openDrive(BD)
  assert.throws(() => drive.stack(disc(0)), { code: 'STORE_EMPTY' })
  assert.throws(() => drive.check(disc(0)), { code: 'STORE_EMPTY' })
})

test('reset leaves the tray as it is', async () => {
  const { drive, ended } = await openDrive(CD)
  await ended(EJECT)
  drive.reset()
  assert.equal(await ended(READY), '2/3a/02')
})

test('an operator who lets it look again makes another disc of an image that has another size', async () => {
  const store = Object.assign(disc(CD), { rescan: async () => {} })
  const bench = await Bench.open(device, store)
  const drive = bench.device as Drive
  assert.equal(drive.resized(), false)
  Object.assign(store, { size: 2048 * 600 })
  assert.equal(drive.resized(), true)
  assert.equal((await bench.run(READY)).sense?.asc, 0x28)
  assert.equal(await capacity({ run: cdb => bench.run(cdb) }), 600)
  Object.assign(store, { size: 2047 })
  assert.throws(() => drive.resized(), { code: 'STORE_SIZE' })
  assert.equal(await capacity({ run: cdb => bench.run(cdb) }), 600)
  drive.openTray()
  assert.equal(drive.resized(), false)
})

test('a store that was away, or has grown, is a disc that may have changed', async () => {
  const watched: StoreWatcher[] = []
  const store = Object.assign(disc(CD), { watch: (told: StoreWatcher) => void watched.push(told) })
  const bench = await Bench.open(device, store)
  const run = (cdb: readonly number[]) => bench.run(cdb)
  const attention = async () => (await run(READY)).sense?.asc
  assert.equal(watched.length, 1)
  const told = watched[0]!
  told('away', 'the server is away')
  assert.deepEqual(bench.warnings, ['the server is away'])
  assert.equal(await attention(), undefined)
  told('returned')
  assert.equal(await attention(), 0x28)
  Object.assign(store, { size: 2048 * 600 })
  told('resized')
  assert.equal(await attention(), 0x28)
  assert.equal(await capacity({ run }), 600)
  Object.assign(store, { size: 0 })
  told('resized')
  assert.equal(await attention(), 0x28)
  assert.equal(await capacity({ run }), 600)
  assert.match(bench.warnings[1]!, /is empty/)
})
