// SPDX-License-Identifier: Apache-2.0
// NBD servers as LUNs, from end to end: images byte for byte, TLS, several connections, servers that are killed, and hostile ones.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { SenseKey, Status } from '@lunkit/spec'
import { connect, ScsiError } from 'lunkit/initiator'
import { createTarget, nbd } from 'lunkit/target'
import { Authority } from '../kit/certificates.ts'
import { nbdPeer } from '../kit/nbd-peer.ts'
import { makeImage, nbdkit, nbdkitOnPort, qemuNbd } from '../kit/nbd-servers.ts'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const MIB = 1 << 20

test('an image written over iSCSI into a qcow2 behind qemu-nbd is there byte for byte', async t => {
  if (!need(t, 'qemu-img', 'qemu-nbd')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  const source = Buffer.alloc(48 * MIB)
  for (let offset = 0; offset < source.length; offset += 5 * MIB) randomBytes(2 * MIB).copy(source, offset)
  writeFileSync(at('source.raw'), source)
  makeImage('qcow2', at('disk.qcow2'), '48M')
  const server = await qemuNbd(t, at('s'), '-f', 'qcow2', '--discard=unmap', at('disk.qcow2'))
  const target = await serve([`nbd+unix:///?socket=${at('s')}`])
  t.after(() => target.stop())
  const { url, store } = target.ready.luns[0]!
  assert.equal(store, 'nbd')
  await execute('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', at('source.raw'), url])
  await execute('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', at('source.raw'), url])
  await target.stop()
  await server.stop('SIGTERM')
  await execute('qemu-img', ['check', '-q', at('disk.qcow2')])
  await execute('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'qcow2', at('source.raw'), at('disk.qcow2')])
})

test('SANITIZE writes to an NBD server beside its command', async t => {
  if (!need(t, 'qemu-img', 'qemu-nbd')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  writeFileSync(at('disk.raw'), randomBytes(4 * MIB))
  await qemuNbd(t, at('s'), '-f', 'raw', '--discard=unmap', at('disk.raw'))
  await using target = await createTarget({ luns: [nbd(`nbd+unix:///?socket=${at('s')}`)] })
  await using disk = await connect(target.url)
  await disk.testReady()
  const dataOut = Uint8Array.of(1, 0, 0, 1, 0x5a)
  const overwrite = Uint8Array.of(0x48, 1, 0, 0, 0, 0, 0, 0, dataOut.length, 0)
  assert.equal((await disk.execute(overwrite, { dataOut })).status, Status.good)
  assert.ok(readFileSync(at('disk.raw')).equals(Buffer.alloc(4 * MIB, 0x5a)))
  const blockErase = Uint8Array.of(0x48, 2, 0, 0, 0, 0, 0, 0, 0, 0)
  assert.equal((await disk.execute(blockErase)).status, Status.good)
  assert.ok(readFileSync(at('disk.raw')).equals(Buffer.alloc(4 * MIB)))
})

for (const format of ['vmdk', 'vhdx', 'vdi']) {
  test(`${format} behind qemu-nbd`, async t => {
    if (!need(t, 'qemu-img', 'qemu-nbd')) return
    const folder = await scratch(t)
    const at = (name: string): string => join(folder, name)
    makeImage(format, at('image'), '16M')
    const server = await qemuNbd(t, at('s'), '-f', format, at('image'))
    const wanted = Buffer.alloc(16 * MIB)
    {
      await using target = await createTarget({ luns: [nbd(`nbd+unix:///?socket=${at('s')}`)] })
      await using disk = await connect(target.url)
      for (const offset of [0, 5 * MIB + 512, 15 * MIB]) {
        const bytes = randomBytes(MIB)
        bytes.copy(wanted, offset)
        await disk.write(offset / 512, bytes)
      }
      await disk.flush()
      assert.ok((await disk.read(0, wanted.length / 512)).equals(wanted))
    }
    await server.stop('SIGTERM')
    writeFileSync(at('wanted'), wanted)
    await execute('qemu-img', ['compare', '-q', '-f', 'raw', '-F', format, at('wanted'), at('image')])
  })
}

test('an image on a web server, by the curl plug-in of nbdkit, with writes kept apart', async t => {
  if (!need(t, 'nbdkit')) return
  const folder = await scratch(t)
  const image = randomBytes(4 * MIB)
  const web = createServer((request, response) => {
    const [, from = '0', to = String(image.length - 1)] =
      /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    const part = image.subarray(Number(from), Number(to) + 1)
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      'accept-ranges': 'bytes',
      'content-length': part.length,
      'content-range': `bytes ${from}-${to}/${image.length}`,
    })
    response.end(request.method === 'HEAD' ? undefined : part)
  }).listen(0, '127.0.0.1')
  t.after(() => void web.close())
  await new Promise(resolve => web.once('listening', resolve))
  const { port } = web.address() as { port: number }
  const url = `http://127.0.0.1:${port}/disk.img`
  await nbdkit(t, join(folder, 's'), '--filter=cow', 'curl', url)
  await using target = await createTarget({ luns: [nbd(`nbd+unix:///?socket=${join(folder, 's')}`)] })
  await using disk = await connect(target.url)
  assert.ok((await disk.read(0, image.length / 512)).equals(image))
  const bytes = randomBytes(MIB)
  await disk.write(777, bytes)
  assert.ok((await disk.read(777, bytes.length / 512)).equals(bytes))
  assert.ok(!image.includes(bytes.subarray(0, 512)))
})

test('what an initiator gives back, the server gives back to its disk', async t => {
  if (!need(t, 'qemu-img', 'qemu-nbd')) return
  const folder = await scratch(t)
  const image = join(folder, 'image')
  makeImage('raw', image, '64M')
  await qemuNbd(t, join(folder, 's'), '-f', 'raw', '--discard=unmap', image)
  await using target = await createTarget({ luns: [nbd(`nbd+unix:///?socket=${join(folder, 's')}`)] })
  await using disk = await connect(target.url)
  await disk.write(0, randomBytes(16 * MIB))
  await disk.flush()
  const held = statSync(image).blocks
  await disk.discard(0, (12 * MIB) / 512)
  await disk.flush()
  assert.ok(held >= (16 * MIB) / 512 && statSync(image).blocks <= held - (11 * MIB) / 512)
  assert.ok((await disk.read(0, (12 * MIB) / 512)).equals(Buffer.alloc(12 * MIB)))
})

test('a file that grows behind nbdkit is a LUN that grows', async t => {
  if (!need(t, 'nbdkit')) return
  const folder = await scratch(t)
  const image = join(folder, 'image')
  writeFileSync(image, Buffer.alloc(MIB))
  await nbdkit(t, join(folder, 's'), 'file', image)
  await using target = await createTarget({ luns: [nbd(`nbd+unix:///?socket=${join(folder, 's')}`)] })
  await using first = await connect(target.url)
  const bytes = randomBytes(MIB)
  await first.write(0, bytes)
  truncateSync(image, 3 * MIB)
  assert.equal(await target.luns[0]!.rescan(), true)
  await using disk = await connect(target.url)
  assert.equal((await disk.capacity()).bytes, 3 * MIB)
  await disk.write((2 * MIB) / 512, bytes)
  await disk.flush()
  assert.ok(readFileSync(image).equals(Buffer.concat([bytes, Buffer.alloc(MIB), bytes])))
})

test('TLS with a client certificate, from the command line', async t => {
  if (!need(t, 'nbdkit', 'openssl')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  const authority = new Authority()
  t.after(() => authority.dispose())
  const server = authority.issue({ name: 'server', alternative: 'DNS:localhost' })
  const alice = authority.issue({ name: 'alice' })
  mkdirSync(at('pki'))
  for (const [name, pem] of [
    ['pki/ca-cert.pem', authority.cert],
    ['pki/server-cert.pem', server.cert],
    ['pki/server-key.pem', server.key],
    ['alice.pem', alice.cert],
    ['alice.key', alice.key],
  ] as const) {
    writeFileSync(at(name), pem, { mode: 0o600 })
  }
  const tls = ['--tls=require', `--tls-certificates=${at('pki')}`, '--tls-verify-peer']
  const { port } = await nbdkitOnPort(t, '127.0.0.1', ...tls, 'memory', '4M')
  const keys = `tls-ca=${at('pki/ca-cert.pem')},tls-cert=${at('alice.pem')},tls-key=${at('alice.key')}`
  const target = await serve([`nbds://localhost:${port}/,${keys}`])
  t.after(() => target.stop())
  await using disk = await connect(target.ready.luns[0]!.url)
  const bytes = randomBytes(MIB)
  await disk.write(8, bytes)
  await disk.flush()
  assert.ok((await disk.read(8, MIB / 512)).equals(bytes))
})

test('nbdkit is asked over as many connections as are wanted, and shares what they write', async t => {
  if (!need(t, 'nbdkit')) return
  const folder = await scratch(t)
  const log = join(folder, 'log')
  await nbdkit(t, join(folder, 's'), '--filter=log', 'memory', '8M', `logfile=${log}`)
  const connects = (): number => readFileSync(log, 'utf8').split(' Connect ').length - 1
  const before = connects()
  await using target = await createTarget({
    luns: [nbd(`nbd+unix:///?socket=${join(folder, 's')}`, { connections: 3 })],
  })
  await using disk = await connect(target.url)
  const used = (): number =>
    new Set([...readFileSync(log, 'utf8').matchAll(/connection=(\d+) Write /g)].map(match => match[1])).size
  const bytes = randomBytes(4 * MIB)
  while (used() < 3) {
    const parts = Array.from({ length: 64 }, (_, i) => i * 65_536)
    await Promise.all(parts.map(from => disk.write(from / 512, bytes.subarray(from, from + 65_536))))
  }
  await disk.flush()
  assert.ok((await disk.read(0, bytes.length / 512)).equals(bytes))
  assert.equal(connects() - before, 3)
})

test('qemu-nbd killed under load, again and again: what a good flush covered is in the qcow2', async t => {
  if (!need(t, 'qemu-img', 'qemu-nbd')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  makeImage('qcow2', at('disk.qcow2'), '64M')
  const server = await qemuNbd(t, at('s'), '-f', 'qcow2', at('disk.qcow2'))
  await using target = await createTarget({ luns: [nbd(`nbd+unix:///?socket=${at('s')}`)] })
  const BLOCKS = 4
  const REGION = 256
  const sure = new Array<number>(BLOCKS * REGION).fill(0)
  const maybe = sure.map(() => new Set<number>())
  let version = 0
  let flushes = 0
  let over = false
  const writer = async (which: number): Promise<void> => {
    await using disk = await connect(target.url, { initiatorName: `iqn.2026-11.test:writer${which}` })
    for (let round = 0; !over; round++) {
      const acknowledged = new Map<number, number>()
      for (let i = 0; i < 6; i++) {
        // Spread, so that qcow2 has tables to write.
        const block = which * REGION + ((round * 37 + i * 11) % REGION)
        const value = ++version
        const bytes = Buffer.alloc(4096)
        bytes.writeUInt32BE(value)
        maybe[block]!.add(value)
        await disk.write(block * 128, bytes)
        acknowledged.set(block, value)
      }
      try {
        await disk.flush()
      } catch (error) {
        if (!(error instanceof ScsiError) || error.senseKey !== SenseKey.mediumError) throw error
        continue
      }
      flushes++
      for (const [block, value] of acknowledged) {
        sure[block] = value
        for (const older of [...maybe[block]!]) if (older <= value) maybe[block]!.delete(older)
      }
    }
  }
  const writers = Promise.all(Array.from({ length: BLOCKS }, (_, i) => writer(i))).finally(() => {
    over = true
  })
  for (let kill = 0; kill < 5; kill++) {
    const before = flushes
    while (flushes < before + 8 && !over) await new Promise(resolve => setTimeout(resolve, 5))
    await server.stop('SIGKILL')
    await server.start()
  }
  over = true
  await writers
  await server.stop('SIGKILL')
  // Clusters that nobody uses (3) are what a crash may leave behind; errors (2) are not.
  const checked = await execute('qemu-img', ['check', at('disk.qcow2')]).then(
    () => 0,
    ({ code }) => code as number,
  )
  assert.ok(checked === 0 || checked === 3, `qemu-img check says ${checked}`)
  await execute('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', at('disk.qcow2'), at('disk.raw')])
  const raw = readFileSync(at('disk.raw'))
  for (const [block, wanted] of sure.entries()) {
    const value = raw.readUInt32BE(block * 65_536)
    assert.ok(value === wanted || maybe[block]!.has(value), `block ${block} holds ${value}, not ${wanted}`)
  }
  await server.start()
})

test('a hostile server fails its own LUN, with the reason told, and no other', async t => {
  const folder = await scratch(t)
  const peer = await nbdPeer(t, join(folder, 's'), {
    request: ({ type }, at) => {
      if (type === 0) at.send(Buffer.alloc(1 << 20, 0x55))
      return type === 0
    },
  })
  const target = await serve([`${peer.uri},timeout=1`, 'memory:4M'])
  t.after(() => target.stop())
  await using bad = await connect(target.ready.luns[0]!.url)
  await using good = await connect(target.ready.luns[1]!.url)
  const bytes = randomBytes(MIB)
  const failed = assert.rejects(bad.read(0, 8), ScsiError)
  for (let i = 0; i < 10; i++) {
    await good.write(i * 8, bytes)
    assert.ok((await good.read(i * 8, bytes.length / 512)).equals(bytes))
  }
  await failed
  assert.match(
    JSON.stringify(target.events),
    /broke the protocol: what should be a reply begins with 55555555h/,
  )
  assert.equal(target.stderr(), '')
})
