// SPDX-License-Identifier: Apache-2.0
// CD drives as an operator has them: served, changed by lines of --control and from a program, and images that are bad.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readSense, Status } from '@lunkit/spec'
import { connect } from 'lunkit/initiator'
import { cdrom, createTarget, type LunSource, type OperatorError } from 'lunkit/target'
import { scratch } from '../kit/scratch.ts'
import { type ServedTarget, serve, tell } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const SECTOR = 2048
const NO_RECONNECT = { reconnect: { attempts: 0, delays: [] } }

type Drive = Awaited<ReturnType<typeof connect>>

async function attach(url: string): Promise<Drive> {
  const drive = await connect(url, { initiatorName: 'iqn.2026-11.test:one', ...NO_RECONNECT })
  await hears(drive)
  return drive
}

/** `key/asc/ascq` of a command, or `good`. */
async function ended(drive: Drive, cdb: readonly number[]): Promise<string> {
  const { status, sense } = await drive.execute(Uint8Array.from(cdb), { dataIn: new Uint8Array(4096) })
  if (status === Status.good) return 'good'
  const report = readSense(sense)!
  return [report.key, report.asc, report.ascq].map(one => one.toString(16)).join('/')
}

const READY = [0, 0, 0, 0, 0, 0]
const read = (lba: number, sectors = 1) => [0x28, 0, 0, 0, 0, lba, 0, 0, sectors, 0]
const prevent = (yes: boolean) => [0x1e, 0, 0, 0, yes ? 1 : 0, 0]

/** What the drive says until it says the same twice. */
async function hears(drive: Drive): Promise<string[]> {
  const heard: string[] = []
  for (let code = await ended(drive, READY); code.startsWith('6/'); code = await ended(drive, READY))
    heard.push(code)
  return [...heard, await ended(drive, READY)]
}

/** An image of sectors that begin with its letter and their number. */
function image(folder: string, letter: string, sectors: number): { path: string; bytes: Buffer } {
  const bytes = Buffer.alloc(sectors * SECTOR)
  for (let lba = 0; lba < sectors; lba++) bytes.write(`${letter}${lba}`, lba * SECTOR)
  const path = join(folder, `${letter}.iso`)
  writeFileSync(path, bytes)
  return { path, bytes }
}

async function sector(drive: Drive, lba: number): Promise<string> {
  const { dataIn } = await drive.execute(Uint8Array.from(read(lba)), { dataIn: new Uint8Array(SECTOR) })
  return Buffer.from(dataIn).toString('latin1').replaceAll('\0', '')
}

async function served(t: TestContext, ...words: string[]): Promise<ServedTarget> {
  const target = await serve([...words, '--control'])
  t.after(() => target.stop('SIGKILL'))
  return target
}

test('an operator ejects, inserts and takes by force, by lines of standard input', async t => {
  const folder = await scratch(t)
  const [a, b] = [image(folder, 'a', 40), image(folder, 'b c', 50)]
  const target = await served(t, `cdrom:${a.path}`)
  await using drive = await attach(target.ready.luns[0]!.url)
  assert.equal(await sector(drive, 7), 'a7')
  await ended(drive, prevent(true))
  const refused = await tell(target, 'lun 0 eject')
  assert.equal(refused.error?.code, 'REMOVAL_PREVENTED')
  assert.deepEqual(await hears(drive), ['good'])
  assert.equal((await tell(target, `lun 0 insert ${b.path}`))['bytes'], undefined)
  assert.equal(await ended(drive, prevent(false)), 'good')
  assert.deepEqual((await tell(target, 'lun 0 eject'))['bytes'], 0)
  assert.equal(await ended(drive, READY), '2/3a/2')
  // Nobody holds the file any more.
  rmSync(a.path)
  assert.equal((await tell(target, `lun 0 insert ${b.path}`))['bytes'], b.bytes.length)
  assert.deepEqual(await hears(drive), ['6/28/0', 'good'])
  assert.equal(await sector(drive, 49), 'b c49')
  await ended(drive, prevent(true))
  assert.equal((await tell(target, 'lun 0 eject force'))['bytes'], 0)
  assert.equal(await ended(drive, READY), '2/3a/2')
  for (const line of [
    'lun 0 insert',
    'lun 0 eject now',
    `lun 0 insert ${join(folder, 'none.iso')}`,
    'lun 1 eject',
  ]) {
    assert.notEqual((await tell(target, line)).error, undefined, line)
  }
  assert.equal(await target.stop(), 0, target.stderr())
})

test('two drives with one image, an empty one, and a list: names are those of the drives', async t => {
  const folder = await scratch(t)
  const [a, b] = [image(folder, 'a', 40), image(folder, 'b', 50)]
  const options = { luns: [cdrom(a.path), cdrom([a.path, b.path]), cdrom()], name: 'iqn.2026-11.test:drives' }
  let names: string[] = []
  for (const round of [1, 2]) {
    await using target = await createTarget(options)
    const serials = target.luns.map(({ serial }) => serial)
    assert.equal(new Set(serials).size, 3)
    if (round === 2) assert.deepEqual(serials, names)
    names = serials
    await using listed = await attach(target.luns[1]!.url)
    await ended(listed, [0x1b, 0, 0, 0, 2, 0])
    await ended(listed, [0x1b, 0, 0, 0, 3, 0])
    assert.deepEqual(await hears(listed), ['6/28/0', 'good'])
    assert.equal(await sector(listed, 3), 'b3')
    await using empty = await attach(target.luns[2]!.url)
    assert.deepEqual(await hears(empty), ['2/3a/1'])
    await target.luns[2]!.insert(a.path)
    assert.deepEqual(target.luns[2]!.toJSON().store, 'file')
    assert.deepEqual(await hears(empty), ['6/28/0', 'good'])
    assert.equal(await sector(empty, 3), 'a3')
    assert.equal(target.luns[2]!.serial, serials[2])
  }
})

test('a medium of a program, and one through a filter', async t => {
  const { path } = image(await scratch(t), 'a', 40)
  const bytes = Buffer.alloc(20 * SECTOR, 'object')
  const object = {
    size: bytes.length,
    read: async (at: number, to: Uint8Array) => void bytes.copy(to, 0, at),
  }
  await using target = await createTarget({ luns: [`cdrom:readonly:${path}`] })
  await using drive = await attach(target.url)
  assert.equal(await sector(drive, 3), 'a3')
  await target.luns[0]!.insert(object)
  await hears(drive)
  assert.match(await sector(drive, 3), /^objectobject/)
  await target.luns[0]!.insert(`readonly:${path}`)
  await hears(drive)
  assert.equal(await sector(drive, 3), 'a3')
})

test('what cannot be a medium leaves the one that is there', async t => {
  const folder = await scratch(t)
  const { path } = image(folder, 'a', 40)
  await using target = await createTarget({ luns: [cdrom(path), 'memory:1M'] })
  const [lun, disk] = target.luns
  await using drive = await attach(target.url)
  await hears(drive)
  const refused = (source: LunSource, code: string) => assert.rejects(lun!.insert(source), { code })
  writeFileSync(join(folder, 'empty.iso'), '')
  writeFileSync(join(folder, 'cut.iso'), Buffer.alloc(5000))
  await refused(join(folder, 'empty.iso'), 'FILE_EMPTY')
  await refused(join(folder, 'cut.iso'), 'STORE_SIZE')
  await refused(join(folder, 'none.iso'), 'FILE_MISSING')
  await refused('cdrom:', 'LUN_ARGUMENT')
  await refused(`${path},next=${path}`, 'LUN_KEY_UNKNOWN')
  await assert.rejects(disk!.insert(path), { code: 'NO_DRIVE' })
  await assert.rejects(disk!.eject(), { code: 'NO_DRIVE' })
  assert.deepEqual(await hears(drive), ['good'])
  assert.equal(await sector(drive, 3), 'a3')
})

test('bad images are refused at the start, each with what to do', async t => {
  const folder = await scratch(t)
  const { path } = image(folder, 'a', 40)
  writeFileSync(join(folder, 'empty.iso'), '')
  writeFileSync(join(folder, 'cut.iso'), Buffer.alloc(5000))
  const refused = async (lun: string, message: RegExp): Promise<void> => {
    await assert.rejects(createTarget({ luns: [lun] }), ({ message: said, hint }: OperatorError) => {
      assert.match(said, message)
      return hint !== ''
    })
  }
  await refused(`cdrom:${join(folder, 'empty.iso')}`, /empty\.iso' is empty/)
  await refused(`cdrom:${join(folder, 'cut.iso')}`, /5000 bytes of .*cut\.iso are no whole sectors/)
  await refused(`cdrom:${path},next=${join(folder, 'cut.iso')}`, /no whole sectors/)
  await refused(`cdrom:${path},next=`, /is no value for 'next'/)
  await refused(`cdrom:${path},serial=a,serial=b`, /has 'serial' twice/)
  await refused(`cdrom:${path},block=512`, /unknown key 'block'/)
})

test('an image that is cut while it is in the drive gives medium errors, and another one goes in after it', async t => {
  const folder = await scratch(t)
  const [a, b] = [image(folder, 'a', 400), image(folder, 'b', 50)]
  const target = await served(t, `cdrom:${a.path}`, 'memory:1M')
  await using drive = await attach(target.ready.luns[0]!.url)
  await using other = await attach(target.ready.luns[1]!.url)
  await hears(drive)
  await hears(other)
  truncateSync(a.path, 100 * SECTOR)
  assert.equal(await ended(drive, read(200)), '3/11/0')
  assert.equal(await ended(other, READY), 'good')
  assert.equal((await tell(target, `lun 0 insert ${b.path}`))['bytes'], b.bytes.length)
  await hears(drive)
  assert.equal(await sector(drive, 49), 'b49')
})

test('an ISO image of xorriso arrives whole in QEMU and in lunkit copy', async t => {
  if (!need(t, 'xorriso', 'qemu-img', 'block-iscsi.so')) return
  const folder = await scratch(t)
  mkdirSync(join(folder, 'content'))
  for (let i = 0; i < 20; i++) writeFileSync(join(folder, 'content', `file${i}`), Buffer.alloc(10_000 * i, i))
  const [iso, out] = [join(folder, 'disc.iso'), join(folder, 'out.iso')]
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-J', '-o', iso, join(folder, 'content')], {
    stdio: 'pipe',
  })
  await using target = await createTarget({ luns: [cdrom(iso)] })
  // Not the synchronous call: the target is in this process.
  await new Promise<void>((resolve, reject) => {
    execFile('qemu-img', ['convert', '-O', 'raw', target.url, out], error =>
      error === null ? resolve() : reject(error),
    )
  })
  assert.deepEqual(readFileSync(out), readFileSync(iso))
})

test('an image that has become longer is another disc once somebody looks', async t => {
  const folder = await scratch(t)
  const { path } = image(folder, 'a', 4)
  await using target = await createTarget({ luns: [cdrom(path)] })
  await using drive = await attach(target.url)
  const [lun] = target.luns
  assert.equal(await lun!.rescan(), false)
  assert.deepEqual(await hears(drive), ['good'])
  writeFileSync(path, Buffer.alloc(3 * SECTOR, 'b'), { flag: 'a' })
  assert.equal(await ended(drive, read(5)), '5/21/0')
  assert.equal(await lun!.rescan(), true)
  assert.equal(lun!.bytes, 7 * SECTOR)
  assert.deepEqual(await hears(drive), ['6/28/0', 'good'])
  assert.equal(await sector(drive, 5), 'b'.repeat(SECTOR))
  truncateSync(path, SECTOR - 1)
  assert.equal(await ended(drive, read(5)), '3/11/0')
  await assert.rejects(lun!.rescan(), { code: 'STORE_SIZE' })
  assert.notEqual(await ended(drive, read(5)), 'good')
})
