// SPDX-License-Identifier: Apache-2.0
// A gateway: units of tgtd and of another lunkit passed through, judged by tools that do not know that it is there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { connect } from 'lunkit/initiator'
import { createTarget, file, memory, OperatorError, passthrough } from 'lunkit/target'
import { TARGET, Tgtd } from '../../initiator/drivers/iscsi/src/tgtd.test-kit.ts'
import { until } from '../kit/gateway-bench.ts'
import { scratch } from '../kit/scratch.ts'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const run = (program: string, ...words: string[]) => execute(program, words, { timeout: 60_000 })
const MIB = 1 << 20

describe('tgtd', () => {
  const folder = workFolder()
  let tgtd: Tgtd | null = null
  let gateway: ServedTarget | null = null
  let direct = ''
  let through = ''
  before(async () => {
    tgtd = await Tgtd.start().catch(() => null)
    if (tgtd === null) return
    direct = `iscsi://127.0.0.1:${tgtd.port}/${TARGET}/1`
    gateway = await serve([`passthrough:${direct}`])
    through = gateway.ready.luns[0]!.url
  })
  after(async () => {
    await gateway?.stop()
    await tgtd?.[Symbol.asyncDispose]()
    folder.dispose()
  })

  test('qemu-img convert through lunkit is byte-identical, seen through it and on tgtd itself', async t => {
    if (!need(t, 'tgtd', 'qemu-img', 'block-iscsi.so')) return
    const source = Buffer.alloc(64 * MIB)
    for (let offset = 0; offset < source.length; offset += 5 * MIB) randomBytes(2 * MIB).copy(source, offset)
    const at = (name: string): string => join(folder.path, name)
    writeFileSync(at('source.raw'), source)
    await run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', at('source.raw'), through)
    for (const [name, url] of Object.entries({ through, direct })) {
      await run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', url, at(name))
      assert.ok(readFileSync(at(name)).equals(source), name)
    }
  })

  test("every command is tgtd's: names, vendor pages, and an operation code that nobody knows", async t => {
    if (!need(t, 'tgtd')) return
    await using here = await connect(through)
    await using there = await connect(direct)
    const [mine, theirs] = [await here.inquiry(), await there.inquiry()]
    assert.deepEqual([mine.vendor, mine.product], [theirs.vendor, theirs.product])
    assert.deepEqual(await here.vpd(0x80), await there.vpd(0x80))
    assert.deepEqual(await here.vpd(0xb2), await there.vpd(0xb2))
    const cdb = Uint8Array.of(0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert.deepEqual(await here.execute(cdb), await there.execute(cdb))
  })
})

const SECRET = 'secret-of-gateway-1'
const PROOF = 'secret-of-array-234'

test('lunkit behind lunkit: other LUN numbers, CHAP both ways by files, digests', async t => {
  const folder = await scratch(t)
  const [own, theirs] = [join(folder, 'own'), join(folder, 'theirs')]
  writeFileSync(own, `${SECRET}\n`, { mode: 0o600 })
  writeFileSync(theirs, PROOF, { mode: 0o600 })
  await using array = await createTarget({
    luns: [memory('1M'), memory('2M', { serial: 'TWO' }), memory('3M', { serial: 'THREE' })],
    chap: { user: 'gateway', secret: SECRET, mutual: { user: 'array', secret: PROOF } },
  })
  const unit = (lun: number, keys: string): string =>
    `passthrough:${array.url.replace(/\d+$/, String(lun))},${keys}`
  const options = { chapUser: 'gateway', chapFile: own, mutualUser: 'array', mutualFile: theirs }
  const keys = `chap-user=gateway,chap-file=${own},mutual-user=array,mutual-file=${theirs},digests=yes`
  await using gateway = await createTarget({
    luns: [unit(2, keys), memory('1M'), passthrough(array.url.replace(/0$/, '1'), options)],
  })
  const sizes: [number, number, string][] = [
    [0, 3 * MIB, 'THREE'],
    [2, 2 * MIB, 'TWO'],
  ]
  for (const [lun, bytes, serial] of sizes) {
    await using disk = await connect(gateway.url.replace(/\d+$/, String(lun)))
    assert.equal((await disk.capacity()).bytes, bytes)
    assert.equal(Buffer.from(await disk.vpd(0x80)).toString('latin1', 4), serial)
    const data = randomBytes(bytes)
    await disk.write(0, data)
    assert.ok((await disk.read(0, bytes / 512)).equals(data))
  }
  await using named = await createTarget({ luns: [unit(1, `${keys},serial=MINE,vendor=SHOP,product=GATE`)] })
  await using disk = await connect(named.url)
  assert.equal(Buffer.from(await disk.vpd(0x80)).toString('latin1', 4), 'MINE')
  const { vendor, product } = await disk.inquiry()
  assert.deepEqual([vendor, product], ['SHOP', 'GATE'])
  const refused: Record<string, string> = {
    [unit(1, '')]: 'LOGIN_AUTHENTICATION',
    [unit(1, 'chap-user=gateway')]: 'CHAP_USER',
    [unit(1, `chap-user=gateway,chap-file=${join(folder, 'none')}`)]: 'FILE_MISSING',
    [unit(1, `chap-user=gateway,chap-file=${theirs}`)]: 'LOGIN_AUTHENTICATION',
    [unit(7, keys)]: 'PASSTHROUGH_UNIT',
    [unit(1, 'size=1G')]: 'LUN_KEY_UNKNOWN',
    'passthrough:disk.img': 'PASSTHROUGH_PLACE',
    'passthrough:iscsi://127.0.0.1/iqn.2026-11.test:x': 'URL_INVALID',
    'passthrough:iscsi://a%b-secret@127.0.0.1/iqn.2026-11.test:x/0': 'URL_INVALID',
    'passthrough:iscsi://127.0.0.1:1/iqn.2026-11.test:x/0': 'TRANSPORT_CONNECT_FAILED',
  }
  await assert.rejects(createTarget({ luns: [unit(1, keys), unit(1, keys)] }), { code: 'UNIT_TWICE' })
  for (const [lun, code] of Object.entries(refused)) {
    await assert.rejects(createTarget({ luns: [lun.replace(/,$/, '')] }), (error: OperatorError) => {
      assert.ok(error instanceof OperatorError, String(error))
      assert.equal(error.code, code, lun)
      assert.doesNotMatch(error.message, /b-secret/)
      return true
    })
  }
})

test('an array that goes away under writes and comes back has them all', async t => {
  const image = join(await scratch(t), 'disk.img')
  const luns = [file(image, { size: '16M', serial: 'STAYS' })]
  const name = 'iqn.2026-11.test:array'
  let array = await createTarget({ luns, name })
  const portal = `127.0.0.1:${new URL(array.url.replace('iscsi:', 'http:')).port}`
  await using gateway = await createTarget({ luns: [passthrough(array.url), memory('1M')] })
  const told: string[] = []
  gateway.on('warning', ({ reason }) => told.push(reason))
  await using disk = await connect(gateway.url)
  await using beside = await connect(gateway.url.replace(/0$/, '1'))
  const blocks: Buffer[] = []
  let going = true
  const writer = (async () => {
    while (going) {
      const data = randomBytes(4096)
      await disk.write(blocks.length * 8, data)
      blocks.push(data)
    }
  })()
  await until(() => blocks.length > 50)
  await array.close()
  await until(() => told.some(reason => reason.includes('is away')))
  await beside.read(0, 1)
  const before = blocks.length
  array = await createTarget({ luns, name, portal })
  await until(() => blocks.length > before + 50 || blocks.length >= 4000)
  going = false
  await writer
  assert.ok(told.some(reason => reason.includes('is back')))
  const all = await disk.read(0, blocks.length * 8)
  assert.ok(all.equals(Buffer.concat(blocks)))
  await array.close()
})
