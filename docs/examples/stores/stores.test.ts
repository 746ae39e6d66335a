// SPDX-License-Identifier: Apache-2.0
// The ten examples of storage, each over a real iSCSI connection.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32, deflateRawSync, gunzipSync } from 'node:zlib'
import { SenseKey } from '@lunkit/spec'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { need } from '@lunkit/testing/peers.ts'
import { connect, ScsiError } from 'lunkit/initiator'
import { createTarget, disk, type LunSource, type ObjectStorage } from 'lunkit/target'
import { encryptedFile } from './encrypted-file.ts'
import { generatedDisk } from './generated.ts'
import { gitDisk } from './git.ts'
import { gzipDisk } from './gzip.ts'
import { httpDisk } from './http-range.ts'
import { Memory } from './memory.ts'
import { mirror } from './mirror.ts'
import { type RandomAccess, randomAccessDisk } from './random-access-storage.ts'
import { rehearsed } from './rehearsal.ts'
import { type Objects, objectDisk } from './s3.ts'

const MIB = 1 << 20
type Disk = Awaited<ReturnType<typeof connect>>

/** Serves it to the test's end, and connects. */
async function use(source: LunSource, act: (disk: Disk) => Promise<void>): Promise<void> {
  await using target = await createTarget({ luns: [source] })
  await using unit = await connect(target.url, { initiatorName: 'iqn.2026-11.test.lunkit:examples' })
  await act(unit)
}

const inMemory = (size: number): Required<Pick<ObjectStorage, 'size' | 'read' | 'write'>> => {
  const bytes = Buffer.alloc(size)
  return {
    size,
    read: (offset, buffer) => bytes.copy(buffer, 0, offset, offset + buffer.length),
    write: (offset, buffer) => buffer.copy(bytes, offset),
  }
}

/** Writes at the start, across a megabyte and at the end, and reads it back. */
async function writesAndReads(unit: Disk): Promise<void> {
  const { blocks, blockSize } = await unit.capacity()
  const places = [0, Math.max(MIB / blockSize - 4, 0), blocks - 16]
  for (const lba of places) {
    const data = randomBytes(16 * blockSize)
    await unit.write(lba, data)
    assert.deepEqual(await unit.read(lba, 16), data)
  }
  await unit.flush()
}

test('memory: a store with callbacks', () => use(new Memory(4 * MIB), writesAndReads))

test('http-range: a file on a web server, which may not change', async context => {
  const file = randomBytes(3 * MIB)
  let etag = '"one"'
  const server = createServer((request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const changed = request.headers['if-match'] !== undefined && request.headers['if-match'] !== etag
    response.setHeader('etag', etag)
    if (changed) response.writeHead(412).end()
    else if (from === undefined) response.setHeader('content-length', file.length).end()
    else response.writeHead(206).end(file.subarray(Number(from), Number(to) + 1))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  context.after(() => server.closeAllConnections())
  const { port } = server.address() as AddressInfo
  await use(await httpDisk(`http://127.0.0.1:${port}/disk.img`), async unit => {
    assert.deepEqual(await unit.read(100, 2048), file.subarray(51200, 51200 + MIB))
    await assert.rejects(unit.write(0, Buffer.alloc(512)), ScsiError)
    etag = '"two"'
    await assert.rejects(unit.read(0, 8), ScsiError)
  })
})

test('encrypted-file: what is in the file is noise, and the key reads it', async context => {
  const path = join(await scratch(context), 'disk.img')
  const key = randomBytes(64)
  const data = Buffer.alloc(8 * 4096, 'secret ')
  await use(disk(await encryptedFile(path, 4 * MIB, key), { block: 4096 }), async unit => {
    await writesAndReads(unit)
    await unit.write(3, data)
    assert.deepEqual(await unit.read(3, 8), data)
  })
  assert.ok(!readFileSync(path).includes('secret'))
  await use(disk(await encryptedFile(path, 4 * MIB, key), { block: 4096 }), async unit => {
    assert.deepEqual(await unit.read(3, 8), data)
  })
})

test('s3: pieces are objects, and side by side writes of one do not lose each other', async () => {
  const held = new Map<string, Uint8Array>()
  const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
  const objects: Objects = {
    get: key => turn().then(() => held.get(key) ?? null),
    put: (key, bytes) => turn().then(() => void held.set(key, Uint8Array.from(bytes))),
    delete: async key => void held.delete(key),
  }
  await use(objectDisk(objects, 'disks/a', 1024 * MIB), async unit => {
    await writesAndReads(unit)
    assert.equal(held.size, 3)
    assert.ok(held.has('disks/a/0000000001'))
    const blocks = Array.from({ length: 32 }, (_, i) => Buffer.alloc(512, i + 1))
    await Promise.all(blocks.map((block, i) => unit.write(i, block)))
    assert.deepEqual(await unit.read(0, 32), Buffer.concat(blocks))
    assert.deepEqual(await unit.read(10_000, 8), Buffer.alloc(4096), 'what was never written is zeros')
    await unit.discard(16, 2048)
    assert.deepEqual(await unit.read(0, 64), Buffer.concat([...blocks.slice(0, 16), Buffer.alloc(48 * 512)]))
    await unit.discard(0, 2048)
    assert.ok(!held.has('disks/a/0000000000'))
  })
})

test('gzip: a file in blocks, read anywhere', async context => {
  const image = Buffer.concat([randomBytes(300_000), Buffer.alloc(MIB, 'text '), randomBytes(70_000)])
  const whole = image.subarray(0, image.length - (image.length % 512))
  const path = join(await scratch(context), 'disk.img.gz')
  writeFileSync(path, Buffer.concat([...pieces(whole, 60_000).map(bgzfBlock), bgzfBlock(Buffer.alloc(0))]))
  assert.deepEqual(gunzipSync(readFileSync(path)), whole, 'any gunzip reads it')
  await use(await gzipDisk(path), async unit => {
    assert.deepEqual(await unit.read(0, whole.length / 512), whole)
    assert.deepEqual(await unit.read(777, 3), whole.subarray(777 * 512, 780 * 512))
  })
  writeFileSync(path, Buffer.from('1f8b08000000000000030300000000000000000000', 'hex'))
  await assert.rejects(gzipDisk(path), /bgzip/)
})

const pieces = (bytes: Buffer, length: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
    bytes.subarray(i * length, (i + 1) * length),
  )

/** A block as bgzip writes it. */
function bgzfBlock(bytes: Buffer): Buffer {
  const packed = deflateRawSync(bytes)
  const head = Buffer.from('1f8b08040000000000ff060042430200', 'hex')
  const rest = Buffer.alloc(10)
  rest.writeUInt16LE(head.length + 2 + packed.length + 8 - 1, 0)
  rest.writeUInt32LE(crc32(bytes), 2)
  rest.writeUInt32LE(bytes.length, 6)
  return Buffer.concat([head, rest.subarray(0, 2), packed, rest.subarray(2)])
}

/** The bytes of a disk as a file, which mtools read like a system that mounts it. */
async function imageOf(context: TestContext, unit: Disk): Promise<string> {
  const path = join(await scratch(context), 'fat.img')
  // All that holds anything lies in the first four megabytes.
  writeFileSync(path, await unit.read(0, (4 * MIB) / 512))
  truncateSync(path, (await unit.capacity()).bytes)
  return path
}

test('git: a revision as a FAT disk', async context => {
  if (!need(context, 'mcopy')) return
  const repository = join(await scratch(context), 'repository')
  mkdirSync(join(repository, 'a folder/with another'), { recursive: true })
  const files = {
    'README.md': Buffer.from('read me\n'),
    'a folder/a rather long name of a file.txt': Buffer.from('x'.repeat(10_000)),
    'a folder/with another/deep.bin': randomBytes(100_000),
    empty: Buffer.alloc(0),
  }
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(repository, path), bytes)
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...words], {
      cwd: repository,
      stdio: 'pipe',
    })
  git('init', '-q')
  git('add', '.')
  git('commit', '-qm', 'one')
  await use(await gitDisk(repository), async unit => {
    const image = await imageOf(context, unit)
    for (const [path, bytes] of Object.entries(files)) {
      assert.deepEqual(mcopy(image, path), bytes, path)
    }
    await assert.rejects(unit.write(0, Buffer.alloc(512)), ScsiError)
  })
})

function mcopy(image: string, path: string): Buffer {
  const { status, stdout, stderr } = spawnSync('mcopy', ['-n', '-i', image, `::${path}`, '-'])
  assert.equal(status, 0, String(stderr))
  return stdout
}

test('generated: files that are made when they are read', async context => {
  if (!need(context, 'mcopy')) return
  await use(generatedDisk(), async unit => {
    const first = mcopy(await imageOf(context, unit), 'uptime').toString()
    const later = mcopy(await imageOf(context, unit), 'uptime').toString()
    assert.match(first, /^[\d.]+ s +\n$/)
    assert.ok(Number.parseFloat(later) > Number.parseFloat(first))
    assert.match(mcopy(await imageOf(context, unit), 'memory/heap').toString(), /"heapUsed"/)
  })
})

test('random-access-storage: its interface, with storage that cannot leave a hole', async () => {
  let bytes = Buffer.alloc(0)
  const storage: RandomAccess = {
    stat: done =>
      setImmediate(done, bytes.length === 0 ? new Error('nothing is there') : null, { size: bytes.length }),
    read: (offset, size, done) => {
      const within = offset + size <= bytes.length
      setImmediate(done, within ? null : new Error('beyond the end'), bytes.subarray(offset, offset + size))
    },
    write: (offset, data, done) => {
      if (offset > bytes.length) return void setImmediate(done, new Error('a hole'))
      const end = Math.max(bytes.length, offset + data.length)
      const next = Buffer.alloc(end)
      bytes.copy(next)
      next.set(data, offset)
      bytes = next
      setImmediate(done, null)
    },
    close: done => setImmediate(done, null),
  }
  await use(await randomAccessDisk(storage, 4 * MIB), writesAndReads)
  assert.equal(bytes.length, 4 * MIB)
})

test('mirror: one side fails, the other goes on, and it is brought back', async () => {
  const [one, other] = [inMemory(4 * MIB), inMemory(4 * MIB)]
  let broken = false
  const faulty = rehearsed(one, () => (broken ? 'EIO' : undefined))
  const both = mirror({ size: one.size, read: faulty.read, write: faulty.write! }, other)
  await use(both, async unit => {
    await writesAndReads(unit)
    broken = true
    const data = randomBytes(MIB)
    await unit.write(1000, data)
    assert.deepEqual(await unit.read(1000, 2048), data)
    assert.equal(both.state.out, 0)
    assert.ok(both.state.missing >= 16)
    await assert.rejects(both.resync())
    broken = false
    await both.resync()
    assert.deepEqual(both.state, { out: -1, missing: 0 })
    const [left, right] = await Promise.all(
      [one, other].map(async side => {
        const bytes = Buffer.alloc(side.size)
        await side.read(0, bytes, { signal: new AbortController().signal })
        return bytes
      }),
    )
    assert.ok(left!.equals(right!))
  })
})

test('rehearsal: faults by a script become sense data', async () => {
  const storage = rehearsed(inMemory(4 * MIB), ({ name, offset }) => {
    if (name === 'write') return 'ENOSPC'
    return offset === 4096 ? 'EIO' : offset === 8192 ? 60_000 : undefined
  })
  await use(storage, async unit => {
    assert.deepEqual(await unit.read(0, 8), Buffer.alloc(4096))
    const keyed = (key: number) => (error: unknown) => error instanceof ScsiError && error.senseKey === key
    await assert.rejects(unit.read(8, 8), keyed(SenseKey.mediumError))
    await assert.rejects(unit.write(0, Buffer.alloc(512)), keyed(SenseKey.dataProtect))
    await assert.rejects(unit.read(16, 8, { timeoutMs: 100 }))
    assert.deepEqual(await unit.read(0, 8), Buffer.alloc(4096), 'the others go on')
  })
})
