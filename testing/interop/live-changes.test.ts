// SPDX-License-Identifier: Apache-2.0
// What an operator changes while initiators are logged in over iSCSI: LUNs, sizes, names, groups, paths and their states.
import assert from 'node:assert/strict'
import { existsSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  AccessState,
  Association,
  DesignatorType,
  designatorText,
  PORT_GROUP_DESCRIPTOR,
  readDesignators,
  readSense,
  Status,
} from '@lunkit/spec'
import { connect, discover } from 'lunkit/initiator'
import { createTarget, file, memory } from 'lunkit/target'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'

const MIB = 1 << 20
const NO_RECONNECT = { reconnect: { attempts: 0, delays: [] } }

type Disk = Awaited<ReturnType<typeof connect>>

/** What the unit says to TEST UNIT READY, as `6/2a/9` or `good`. */
async function probe(disk: Disk): Promise<string> {
  const { status, sense } = await disk.execute(new Uint8Array(6))
  if (status === Status.good) return 'good'
  const report = readSense(sense)!
  return `${report.key}/${report.asc.toString(16)}/${report.ascq.toString(16)}`
}

/** All attentions that are pending. */
async function hears(disk: Disk): Promise<string[]> {
  const heard: string[] = []
  for (let code = await probe(disk); code.startsWith('6/'); code = await probe(disk)) heard.push(code)
  return heard
}

async function attach(url: string, name = 'iqn.2026-11.test:one'): Promise<Disk> {
  const disk = await connect(url, { initiatorName: name, ...NO_RECONNECT })
  await hears(disk)
  return disk
}

test('a LUN comes, grows, shrinks and goes, and those who see it hear of each step once', async () => {
  await using target = await createTarget({ luns: [memory('1M')] })
  await using first = await attach(target.url)
  const lun = await target.addLun(memory('2M'))
  assert.deepEqual([lun.lun, lun.bytes], [1, 2 * MIB])
  assert.deepEqual(
    target.luns.map(one => one.lun),
    [0, 1],
  )
  assert.deepEqual(await hears(first), ['6/3f/e'])
  await using second = await attach(lun.url, 'iqn.2026-11.test:two')
  await lun.resize('4M')
  assert.deepEqual(await hears(second), ['6/2a/9'])
  assert.equal((await second.capacity()).bytes, 4 * MIB)
  await second.write(8191, Buffer.alloc(512, 7))
  await assert.rejects(lun.resize(MIB), { code: 'SHRINK' })
  await lun.resize(MIB, { shrink: true })
  assert.deepEqual(await hears(second), ['6/2a/9'])
  await assert.rejects(second.read(8191, 1))
  assert.equal(lun.bytes, MIB)
  await assert.rejects(lun.resize(MIB + 1), { code: 'SIZE' })
  await assert.rejects(lun.resize('much'), { code: 'SIZE' })
  assert.deepEqual(await hears(first), [])
  await target.removeLun(1)
  assert.equal(await probe(second), '5/25/0')
  assert.deepEqual(await hears(first), ['6/3f/e'])
  await assert.rejects(target.removeLun(1), { code: 'LUN_MISSING' })
  assert.equal(JSON.stringify(target.luns.map(one => one.bytes)), `[${MIB}]`)
})

test('an image that is removed is let go, and one that others changed is looked at again', async t => {
  const folder = await scratch(t)
  const path = join(folder, 'disk.img')
  await using target = await createTarget({ luns: [memory('1M')] })
  const lun = await target.addLun(file(path, { size: '1M' }), { lun: 300 })
  await using disk = await attach(lun.url)
  truncateSync(path, 3 * MIB)
  assert.equal(await lun.rescan(), true)
  assert.equal(await lun.rescan(), false)
  assert.deepEqual(await hears(disk), ['6/2a/9'])
  assert.equal((await disk.capacity()).bytes, 3 * MIB)
  await target.removeLun(lun)
  assert.ok(existsSync(path))
  await using again = await createTarget({ luns: [file(path)] })
  assert.equal(again.luns[0]!.bytes, 3 * MIB)
})

test('names change and are told; what cannot be is refused', async () => {
  await using target = await createTarget({ luns: [memory('1M'), memory('1M', { serial: 'TWIN' })] })
  await using disk = await attach(target.url)
  const [lun] = target.luns
  lun!.rename({ vendor: 'ACME', serial: 'S-9', eui64: '0011223344556677', scsiname: 'iqn.2026-11.test:u' })
  assert.deepEqual(await hears(disk), ['6/3f/3'])
  assert.equal((await disk.inquiry()).vendor, 'ACME')
  assert.equal(Buffer.from(await disk.vpd(0x80)).toString('latin1', 4), 'S-9')
  const named = readDesignators(await disk.vpd(0x83), 4).map(designatorText)
  for (const name of [`naa.${lun!.naa}`, 'eui.0011223344556677', 'iqn.2026-11.test:u']) {
    assert.ok(named.includes(name), name)
  }
  lun!.rename({ vendor: 'ACME' })
  assert.deepEqual(await hears(disk), [])
  lun!.microcodeChanged('0002')
  assert.deepEqual(await hears(disk), ['6/3f/1', '6/3f/3'])
  assert.throws(() => lun!.rename({ serial: 'TWIN' }), { code: 'SERIAL_TWICE' })
  assert.throws(() => lun!.rename({ naa: 'zz' }), { code: 'NAA' })
  assert.throws(() => lun!.rename({ eui64: '00' }), { code: 'EUI64' })
  assert.throws(() => lun!.rename({ scsiname: 'disk' }), { code: 'SCSI_NAME' })
  assert.throws(() => lun!.rename({ colour: 'red' } as never), { code: 'LUN_KEY_UNKNOWN' })
  assert.deepEqual(await hears(disk), [])
})

test('groups see their own LUNs, one unit at two places goes when the last of them goes', async () => {
  await using target = await createTarget({ luns: [memory('1M')] })
  target.addGroup('hosts', ['*:host*'])
  const own = await target.addLun(memory('2M'), { group: 'hosts', lun: 5 })
  const shared = await target.addLun(own)
  assert.deepEqual([shared.lun, shared.group, own.group], [1, null, 'hosts'])
  await using host = await attach(own.url, 'iqn.2026-11.test:host7')
  await using other = await attach(shared.url, 'iqn.2026-11.test:other')
  await host.write(3, Buffer.alloc(512, 5))
  assert.deepEqual(await other.read(3, 1), Buffer.alloc(512, 5))
  await target.removeLun(5, { group: 'hosts' })
  assert.equal(await probe(host), '5/25/0')
  assert.deepEqual(await other.read(3, 1), Buffer.alloc(512, 5))
  assert.deepEqual(await hears(other), [])
  await assert.rejects(target.addLun(memory('1M'), { group: 'nobody' }), { code: 'GROUP_MISSING' })
  await assert.rejects(target.addLun(memory('1M'), { lun: 1 }), { code: 'LUN_EXISTS' })
  await assert.rejects(target.addLun('nothing-of-that-name.img'), { name: 'OperatorError' })
  assert.equal(target.luns.length, 2)
})

test('other storage behind a LUN is a new disk to its initiators', async () => {
  await using target = await createTarget({ luns: [memory('1M')] })
  await using disk = await attach(target.url)
  await disk.write(0, Buffer.alloc(512, 1))
  const { serial } = target.luns[0]!
  const lun = await target.replaceLun(0, memory('2M', { serial: 'NEW' }))
  assert.deepEqual(await hears(disk), ['6/29/0', '6/3f/3', '6/3f/e'])
  assert.deepEqual([lun.serial, lun.bytes, serial === 'NEW'], ['NEW', 2 * MIB, false])
  assert.deepEqual(await disk.read(0, 1), Buffer.alloc(512))
})

test('a closed target takes no change', async () => {
  const target = await createTarget({ luns: [memory('1M')] })
  const [lun] = target.luns
  await target.close()
  await assert.rejects(target.addLun(memory('1M')), { code: 'TARGET_CLOSED' })
  await assert.rejects(lun!.resize('2M'), { code: 'TARGET_CLOSED' })
})

const rtpg = (): Uint8Array => Uint8Array.of(0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0)

/** Id, state and ports of each group, as an initiator is told. */
async function groupsOf(disk: Disk): Promise<number[][]> {
  const { dataIn } = await disk.execute(rtpg(), { expectedIn: 256 })
  const bytes = Buffer.from(dataIn)
  const groups: number[][] = []
  for (let at = 4; at < 4 + bytes.readUInt32BE(0); ) {
    const { group, state, portCount } = PORT_GROUP_DESCRIPTOR.read(bytes, at)
    at += PORT_GROUP_DESCRIPTOR.length
    const ports = Array.from({ length: portCount }, (_, i) => bytes.readUInt16BE(at + 4 * i + 2))
    groups.push([group, state, ...ports])
    at += 4 * portCount
  }
  return groups
}

test('two portal groups are two paths to one unit, each with its state', async () => {
  await using target = await createTarget({
    luns: [memory('1M')],
    portal: ['127.0.0.1:0,1', '127.0.0.1:0,2'],
    portGroups: { explicit: true },
  })
  const found = await discover(`iscsi://${target.portals[0]}`)
  assert.deepEqual(
    found.map(({ portals }) => portals.map(({ port, group }) => [port, group])),
    [target.portals.map((portal, index) => [Number(portal.split(':')[1]), index + 1])],
  )
  const urls = target.portals.map(portal => `iscsi://${portal}/${target.name}/0`)
  await using one = await attach(urls[0]!)
  await using two = await attach(urls[1]!)
  assert.deepEqual(await groupsOf(one), [
    [1, AccessState.optimized, 1],
    [2, AccessState.optimized, 2],
  ])
  const names = async (disk: Disk) =>
    readDesignators(await disk.vpd(0x83), 4)
      .filter(({ association }) => association === Association.targetPort)
      .map(designator => [designator.type, designatorText(designator)])
  assert.deepEqual(await names(two), [
    [DesignatorType.relativePort, '2'],
    [DesignatorType.targetPortGroup, '2'],
    [DesignatorType.scsiName, `${target.name},t,0x0002`],
  ])
  await one.write(0, Buffer.alloc(512, 3))
  assert.deepEqual(await two.read(0, 1), Buffer.alloc(512, 3))

  await target.setPortGroup(2, { state: 'standby', preferred: false })
  assert.deepEqual([await hears(one), await hears(two)], [['6/2a/6'], ['6/2a/6']])
  assert.deepEqual([await probe(one), await probe(two)], ['good', '2/4/b'])
  assert.deepEqual(await groupsOf(two), [
    [1, AccessState.optimized, 1],
    [2, AccessState.standby, 2],
  ])
  // SET TARGET PORT GROUPS through the standby port.
  const set = Uint8Array.of(0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0)
  const { status } = await two.execute(set, { dataOut: Buffer.of(0, 0, 0, 0, 0, 0, 0, 2) })
  assert.equal(status, Status.good)
  assert.deepEqual([await hears(one), await hears(two)], [['6/2a/6'], []])
  assert.deepEqual(await two.read(0, 1), Buffer.alloc(512, 3))
  assert.deepEqual(
    target.portGroups.map(({ id, state }) => [id, state]),
    [
      [1, 'active/optimized'],
      [2, 'active/optimized'],
    ],
  )
  await assert.rejects(target.setPortGroup(3, { state: 'standby' }), { code: 'PORT_GROUP_MISSING' })
  await assert.rejects(target.setPortGroup(1, { state: 'nowhere' as never }), { code: 'ACCESS_STATE' })
  const [lun] = target.luns
  lun!.setReferrals([{ firstLba: 0, lastLba: 2047, groups: [{ id: 1, state: 'active/optimized' }] }])
  assert.deepEqual(await hears(one), ['6/3f/3'])
  assert.throws(
    () => lun!.setReferrals([{ firstLba: 0, lastLba: 2046, groups: [{ id: 1, state: 'standby' }] }]),
    {
      code: 'REFERRALS',
    },
  )
})

test('portals and groups that cannot be are refused, and nothing stays open', async () => {
  const luns = [memory('1M')]
  await assert.rejects(createTarget({ luns, portal: '127.0.0.1:0,0' }), { code: 'PORTAL' })
  await assert.rejects(createTarget({ luns, portGroups: { groups: [{ portals: [7] }] } }), {
    code: 'PORT_GROUP_VALUE',
  })
  await assert.rejects(createTarget({ luns, portGroups: { transitionMs: -1 } }), { code: 'PORT_GROUP_VALUE' })
  await using target = await createTarget({ luns })
  assert.deepEqual(target.portGroups, [])
  await assert.rejects(target.setPortGroup(1, { state: 'standby' }), { code: 'PORT_GROUP_MISSING' })
})

test('the command line serves two paths, and takes a new size when it is told to look', async t => {
  const folder = await scratch(t)
  const path = join(folder, 'disk.img')
  const words = ['--portal', '127.0.0.1:0,1', '--portal', '127.0.0.1:0,2', '--port-group', '2=standby']
  const target = await serve([`${path},size=1M`, ...words, '--explicit-alua'])
  t.after(() => target.stop())
  const { url } = target.ready.luns[0]!
  await using one = await attach(url)
  await using two = await attach(url.replace(/127\.0\.0\.1:\d+/, target.ready.portals[1]!))
  assert.deepEqual([await probe(one), await probe(two)], ['good', '2/4/b'])
  assert.equal(
    (await one.execute(Uint8Array.of(0x12, 0, 0, 0, 96, 0), { expectedIn: 96 })).dataIn[5]! & 0x30,
    0x30,
  )
  truncateSync(path, 2 * MIB)
  process.kill(target.pid, 'SIGUSR2')
  while (target.events.every(({ event }) => event !== 'resized')) {
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  assert.deepEqual(await hears(one), ['6/2a/9'])
  assert.equal((await one.capacity()).bytes, 2 * MIB)
})

test('a port group that no portal has is refused on the command line', async () => {
  await assert.rejects(serve(['memory:1M', '--port-group', '3=standby']), /--port-group 3=standby/)
  await assert.rejects(serve(['memory:1M', '--portal', '127.0.0.1:0,2', '--port-group', '2=off']), /'off'/)
})
