// SPDX-License-Identifier: Apache-2.0
// Overlays end to end over iSCSI: who sees which changes, what an operator does with them, and that the image stays as it was.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  BLOCK_TO_BLOCK_SEGMENT,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  FORMAT_UNIT,
  IDENTIFICATION_CSCD,
  POPULATE_TOKEN,
  READ_10,
  readSense,
  Status,
} from '@lunkit/spec'
import { connect } from 'lunkit/initiator'
import { createTarget, file, memory, overlay } from 'lunkit/target'
import { cdbOf } from '../kit/device-bench.ts'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'
import { pattern } from '../kit/store-exchange.ts'
import { absent } from '../peers.ts'

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

/** `lunkit serve`, ended with its test. */
async function started(t: TestContext, words: readonly string[], prefix: readonly string[] = []) {
  const target = await serve(words, {}, prefix)
  t.after(() => target.stop('SIGKILL'))
  return target
}

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

async function image(t: TestContext): Promise<{ folder: string; path: string }> {
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
  assert.ok(Number((await lun!.control('commit'))['committedBytes']) > 0)
  assert.deepEqual(await hears(disk), [])
  assert.ok(readFileSync(path).equals(frozen))
  assert.deepEqual(await lun!.control('reset'), { discardedBytes: 0 })
  await assert.rejects(lun!.control('snapshot', 'file'), { code: 'CONTROL' })
  await assert.rejects(lun!.control('dance'), { code: 'CONTROL_UNKNOWN' })
  await assert.rejects(plain!.control('reset'), { code: 'CONTROL_UNKNOWN' })
})

test('lunkit serve: changes in a file survive SIGKILL, and control lines reach them', async t => {
  const { folder, path } = await image(t)
  const before = hashOf(path)
  const [first, second] = [join(folder, 'first.overlay'), join(folder, 'second.overlay')]
  const start = (upper: string) =>
    started(t, [`overlay:${path},file.readonly=yes,upper=${upper},serial=STAYS`, '--control'])
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
    'resize',
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
  assert.equal((await answered(there, 'lun 0 reset'))['discardedBytes'], 4096)
  assert.deepEqual(await hears(disk), ['6/28/0'])
  assert.ok((await disk.read(9, 3)).equals(pattern(10 * 512, 1).subarray(1024, 2560)))
  assert.equal((await answered(there, 'lun 0 resize 2M'))['bytes'], 2 * MIB)
  assert.deepEqual(await hears(disk), ['6/2a/9'])
  await disk.close()
  disk = await attach(there.ready.luns[0]!.url)
  assert.equal((await disk.capacity()).bytes, 2 * MIB)
  assert.ok((await disk.read(2048, 8)).equals(Buffer.alloc(4096)))
  await disk.close()
  assert.equal(await there.stop(), 0)
  assert.equal(hashOf(path), before)
  await assert.rejects(start(first), /frozen/)
})

test('what was answered is there after each SIGKILL, wherever it comes', async t => {
  const { folder, path } = await image(t)
  const before = hashOf(path)
  const upper = join(folder, 'upper')
  const start = () => started(t, [`overlay:${path},file.readonly=yes,upper=${upper}`])
  const model = readFileSync(path)
  let seed = 1
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  for (let life = 0; life < 3; life++) {
    const target = await start()
    const disk = await attach(target.ready.luns[0]!.url)
    assert.ok((await disk.read(0, 2048)).equals(model), `life ${life}`)
    for (let step = 0; step < 40; step++) {
      const lba = next(2048)
      const blocks = 1 + next(Math.min(100, 2048 - lba))
      const data = next(4) === 0 ? Buffer.alloc(blocks * 512) : pattern(blocks * 512, life * 100 + step)
      if (data[0] === 0 && data[1] === 0) await disk.discard(lba, blocks)
      else await disk.write(lba, data)
      data.copy(model, lba * 512)
    }
    // One more is under way when it ends: it may be there in whole or in part, block by block.
    const lba = next(2000)
    const late = disk.write(lba, Buffer.alloc(48 * 512, 0xee)).catch(() => undefined)
    if (life % 2 === 0) await new Promise(resolve => setImmediate(resolve))
    await target.stop('SIGKILL')
    await late
    await disk.close().catch(() => undefined)
    const after = await start()
    const again = await attach(after.ready.luns[0]!.url)
    const found = await again.read(lba, 48)
    for (let at = 0; at < found.length; at += 512) {
      const block = found.subarray(at, at + 512)
      const old = model.subarray(lba * 512 + at, lba * 512 + at + 512)
      assert.ok(block.equals(old) || block.equals(Buffer.alloc(512, 0xee)), `block ${lba + at / 512}`)
      block.copy(model, lba * 512 + at)
    }
    await again.close()
    await after.stop(life === 1 ? 'SIGTERM' : 'SIGKILL')
  }
  assert.equal(hashOf(path), before)
})

test('where the disk of the changes is full, only the write that needs room fails', async t => {
  const { folder, path } = await image(t)
  const small = join(folder, 'small')
  mkdirSync(small)
  // A file system of its own, which goes with the process.
  const words = ['unshare', ...(process.getuid?.() === 0 ? [] : ['--map-root-user']), '--mount']
  const [program, ...rest] = [...words, 'mount', '-t', 'tmpfs', 'none', small]
  if (spawnSync(program!, rest).status !== 0) {
    absent(t, 'the right to mount a file system of its own')
    return
  }
  const script = `mount -t tmpfs -o size=256k none ${small} && exec "$0" "$@"`
  const target = await started(
    t,
    [`overlay:${path},file.readonly=yes,upper=${small}/upper`],
    [...words, 'sh', '-c', script],
  )
  const disk = await attach(target.ready.luns[0]!.url)
  const base = readFileSync(path)
  let written = 0
  for (let refused = false; !refused; ) {
    await disk.write(written * 8, Buffer.alloc(4096, 1)).then(
      () => written++,
      error => {
        assert.match(String(error), /SPACE ALLOCATION FAILED WRITE PROTECT/)
        refused = true
      },
    )
    assert.ok(written < 64)
  }
  assert.ok(written > 40, `${written}`)
  const now = await disk.read(0, 2048)
  assert.ok(now.subarray(0, written * 4096).equals(Buffer.alloc(written * 4096, 1)))
  assert.ok(now.subarray((written + 1) * 4096).equals(base.subarray((written + 1) * 4096)))
  await disk.write(0, Buffer.alloc(4096, 2))
  await disk.discard(8, 16)
  await disk.write(1000, Buffer.alloc(4096, 3))
  assert.ok((await disk.read(1000, 8)).equals(Buffer.alloc(4096, 3)))
  await disk.close()
  assert.equal(await target.stop(), 0)
})

test('commands amid a reset read one or the other, and the next one tells of it', async t => {
  const { path } = await image(t)
  await using target = await createTarget({ luns: [overlay(file(path))] })
  const [lun] = target.luns
  await using disk = await attach(target.url)
  const base = await disk.read(0, 8)
  const changed = Buffer.alloc(4096, 0x77)
  const cdb = cdbOf(READ_10, { lba: 0, blocks: 8 })
  for (let round = 0; round < 20; round++) {
    await disk.write(0, changed)
    const reset = lun!.control('reset')
    let told = false
    for (let anew = false; !anew; ) {
      // Several at a time: some wait while changes are exchanged, and were there before the attention.
      const answers = await Promise.all(
        [1, 2, 3, 4].map(() => disk.execute(cdb, { dataIn: Buffer.alloc(4096) })),
      )
      for (const { status, sense, dataIn } of answers) {
        if (status === Status.good) {
          anew ||= base.equals(dataIn)
          assert.ok(base.equals(dataIn) || changed.equals(dataIn))
        } else {
          assert.deepEqual([readSense(sense)!.asc, readSense(sense)!.ascq], [0x28, 0])
          told = true
        }
      }
    }
    assert.deepEqual(await hears(disk), told ? [] : ['6/28/0'], `round ${round}`)
    await reset
  }
})

test('with changes of each initiator, a format stays with who asked for it, and there are no tokens', async t => {
  const { path } = await image(t)
  const before = hashOf(path)
  await using target = await createTarget({ luns: [overlay(file(path), { per: 'initiator' })] })
  await using one = await attach(target.url)
  await using two = await attach(target.url, TWO)
  await two.write(5, Buffer.alloc(512, 5))
  const seen = await two.read(0, 2048)
  const format = await one.execute(cdbOf(FORMAT_UNIT))
  assert.equal(format.status, Status.good)
  assert.ok((await one.read(0, 2048)).equals(Buffer.alloc(MIB)))
  assert.ok((await two.read(0, 2048)).equals(seen))
  const token = await two.execute(cdbOf(POPULATE_TOKEN))
  assert.equal(readSense(token.sense)!.asc, 0x24)
  assert.equal(hashOf(path), before)
})

test('with changes of each initiator, a third-party copy reads and writes what its sender sees', async t => {
  const { path } = await image(t)
  const before = hashOf(path)
  await using target = await createTarget({ luns: [overlay(file(path), { per: 'initiator' })] })
  await using one = await attach(target.url)
  await using two = await attach(target.url, TWO)
  await one.write(0, Buffer.alloc(512, 1))
  await two.write(0, Buffer.alloc(512, 2))
  const there = await two.read(100, 1)
  const naa = Buffer.from(target.luns[0]!.naa, 'hex')
  const cscd = IDENTIFICATION_CSCD.write({
    type: CopyDescriptor.identification,
    codeSet: 1,
    designatorType: 3,
    designatorLength: naa.length,
    designator: Buffer.concat([naa, Buffer.alloc(20 - naa.length)]),
    blockLength: 512,
  })
  const segment = BLOCK_TO_BLOCK_SEGMENT.write({
    type: CopyDescriptor.blockToBlock,
    length: BLOCK_TO_BLOCK_SEGMENT.length - 4,
    blocks: 1,
    sourceLba: 0,
    destinationLba: 100,
  })
  const header = EXTENDED_COPY_HEADER.write({
    listId: 7,
    cscdLength: cscd.length,
    segmentLength: segment.length,
  })
  const dataOut = Buffer.concat([header, cscd, segment])
  const copy = await one.execute(cdbOf(EXTENDED_COPY_LID1, { parameterLength: dataOut.length }), { dataOut })
  assert.equal(copy.status, Status.good, JSON.stringify(readSense(copy.sense)))
  assert.ok((await one.read(100, 1)).equals(Buffer.alloc(512, 1)))
  assert.ok((await two.read(100, 1)).equals(there))
  assert.equal(hashOf(path), before)
})
