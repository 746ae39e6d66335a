// SPDX-License-Identifier: Apache-2.0
// Overlays end to end over iSCSI: who sees which changes, what an operator does with them, and that the image stays as it was.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSense, Status } from '@lunkit/spec'
import { connect } from 'lunkit/initiator'
import { createTarget, file, memory, overlay } from 'lunkit/target'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'
import { pattern } from '../kit/store-exchange.ts'

const MIB = 1 << 20
const ONE = 'iqn.2026-11.test:one'
const TWO = 'iqn.2026-11.test:two'

type Disk = Awaited<ReturnType<typeof connect>>

async function attach(url: string, initiatorName = ONE): Promise<Disk> {
  const disk = await connect(url, { initiatorName, reconnect: { attempts: 0, delays: [] } })
  await hears(disk)
  return disk
}

/** All attentions that are pending. */
async function hears(disk: Disk): Promise<string[]> {
  const heard: string[] = []
  for (;;) {
    const { status, sense } = await disk.execute(new Uint8Array(6))
    if (status === Status.good) return heard
    const { key, asc, ascq } = readSense(sense)!
    heard.push(`${key}/${asc.toString(16)}/${ascq.toString(16)}`)
  }
}

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

async function image(t: { after(fn: () => Promise<void>): void }): Promise<{ folder: string; path: string }> {
  const folder = await scratch(t)
  const path = join(folder, 'base.img')
  writeFileSync(path, pattern(MIB, 3))
  return { folder, path }
}

test('each initiator sees its own changes and no others, and a new session begins anew', async t => {
  const { path } = await image(t)
  const before = hashOf(path)
  await using target = await createTarget({ luns: [overlay(file(path), { per: 'initiator', ports: 2 })] })
  const [lun] = target.luns
  const one = await attach(target.url)
  await using two = await attach(target.url, TWO)
  const base = await one.read(0, 64)
  await one.write(0, Buffer.alloc(4096, 1))
  await two.write(4, Buffer.alloc(512, 2))
  assert.ok((await one.read(0, 8)).equals(Buffer.alloc(4096, 1)))
  const seen = await two.read(0, 64)
  const wanted = Buffer.from(base)
  wanted.fill(2, 2048, 2560)
  assert.ok(seen.equals(wanted))
  await using three = await attach(target.url, 'iqn.2026-11.test:three')
  assert.ok((await three.read(0, 64)).equals(base))
  await assert.rejects(three.write(0, Buffer.alloc(512)), /SPACE ALLOCATION FAILED WRITE PROTECT/)
  await one.close()
  await three.write(0, Buffer.alloc(512, 3))
  await using again = await attach(target.url)
  assert.ok((await again.read(0, 64)).equals(base))
  assert.deepEqual(lun!.controls, { reset: '' })
  assert.deepEqual(await lun!.control('reset'), { initiators: 2 })
  assert.deepEqual(await hears(two), ['6/28/0'])
  assert.ok((await two.read(0, 64)).equals(base))
  assert.equal(hashOf(path), before)
})

test('a reset is told before anybody can read what it left; commits and snapshots are not', async t => {
  const { path } = await image(t)
  const before = hashOf(path)
  await using target = await createTarget({ luns: [overlay(file(path)), memory('1M')] })
  const [lun, plain] = target.luns
  await using disk = await attach(target.url)
  const base = await disk.read(0, 2048)
  await disk.write(9, Buffer.alloc(9 * 512, 9))
  assert.deepEqual(await lun!.control('snapshot'), { snapshots: 1 })
  await disk.write(100, Buffer.alloc(512, 8))
  const both = await disk.read(0, 2048)
  await lun!.control('reset')
  assert.deepEqual(await hears(disk), ['6/28/0'])
  const frozen = await disk.read(0, 2048)
  assert.ok(frozen.subarray(51_200, 51_712).equals(base.subarray(51_200, 51_712)))
  assert.ok(frozen.subarray(0, 51_200).equals(both.subarray(0, 51_200)))
  assert.equal(hashOf(path), before)
  await lun!.control('commit')
  assert.deepEqual(await hears(disk), [])
  assert.ok(readFileSync(path).equals(frozen))
  assert.deepEqual(await lun!.control('reset'), { bytes: 0 })
  await assert.rejects(lun!.control('snapshot', 'file'), { code: 'CONTROL' })
  await assert.rejects(lun!.control('dance'), { code: 'CONTROL_UNKNOWN' })
  await assert.rejects(plain!.control('reset'), { code: 'CONTROL_UNKNOWN' })
})

test('lunkit serve: changes in a file survive SIGKILL, and control lines reach them', async t => {
  const { folder, path } = await image(t)
  const before = hashOf(path)
  const [first, second] = [join(folder, 'first.overlay'), join(folder, 'second.overlay')]
  const start = (upper: string) =>
    serve([`overlay:${path},file.readonly=yes,upper=${upper},serial=STAYS`, '--control'])
  const answered = async (target: Awaited<ReturnType<typeof serve>>, line: string) => {
    target.send(line)
    const found = () => target.events.find(one => one['event'] === 'control' && one['line'] === line)
    while (found() === undefined) await new Promise(resolve => setTimeout(resolve, 5))
    return found()!
  }
  const here = await start(first)
  let disk = await attach(here.ready.luns[0]!.url)
  await disk.write(7, pattern(10 * 512, 1))
  assert.deepEqual(Object.keys(await answered(here, 'lun 0')), [
    'event',
    'line',
    'reset',
    'commit',
    'snapshot',
  ])
  assert.equal((await answered(here, `lun 0 snapshot ${second}`))['snapshots'], 1)
  await disk.write(9, pattern(3 * 512, 2))
  const wanted = await disk.read(0, 2048)
  await here.stop('SIGKILL')
  await disk.close().catch(() => undefined)
  const there = await start(second)
  disk = await attach(there.ready.luns[0]!.url)
  assert.ok((await disk.read(0, 2048)).equals(wanted))
  assert.match(JSON.stringify(await answered(there, 'lun 0 commit')), /BASE_READONLY|cannot be written/)
  assert.equal((await answered(there, 'lun 0 reset'))['bytes'], 4096)
  assert.deepEqual(await hears(disk), ['6/28/0'])
  assert.ok((await disk.read(9, 3)).equals(pattern(10 * 512, 1).subarray(1024, 2560)))
  await disk.close()
  assert.equal(await there.stop(), 0)
  assert.equal(hashOf(path), before)
  await assert.rejects(start(first), /frozen/)
})
