// SPDX-License-Identifier: Apache-2.0
// Opening an export of real servers: TLS that has to hold, names that are wrong, servers that are not there, several connections.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type BackingStore, readParameters, StoreError } from '@lunkit/target-api'
import { Authority, type Pair } from '@lunkit/testing/kit/certificates.ts'
import { makeImage, nbdkit, nbdkitOnPort, qemuNbd } from '@lunkit/testing/kit/nbd-servers.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { need } from '@lunkit/testing/peers.ts'
import { store } from './store.ts'

const open = (uri: string, keys: Record<string, string> = {}): Promise<BackingStore> =>
  store.open(readParameters('nbd', store.parameters, { uri, ...keys }))

let authority: Authority
let other: Authority
let server: Pair
before(() => {
  authority = new Authority()
  other = new Authority('Another authority')
  server = authority.issue({ name: 'server', alternative: 'DNS:localhost,IP:127.0.0.1' })
})
after(() => {
  authority.dispose()
  other.dispose()
})

/** A folder with what a server wants, and files of a client beside it. */
async function files(t: Parameters<typeof scratch>[0]): Promise<{ pki: string; at(name: string): string }> {
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  const pki = at('pki')
  mkdirSync(pki)
  const alice = authority.issue({ name: 'alice' })
  for (const [name, pem] of [
    ['pki/ca-cert.pem', authority.cert],
    ['pki/server-cert.pem', server.cert],
    ['pki/server-key.pem', server.key],
    ['alice.pem', alice.cert],
    ['alice.key', alice.key],
    ['ca.pem', authority.cert],
    ['other.pem', other.cert],
  ] as const) {
    writeFileSync(at(name), pem, { mode: 0o600 })
  }
  return { pki, at }
}

async function works(uri: string, keys: Record<string, string>): Promise<void> {
  const exchange = new StoreExchange(await open(uri, keys))
  await exchange.wrote(512, pattern(70_000, 1), [100])
  assert.equal((await exchange.flush()).error, StoreError.none)
  assert.ok((await exchange.bytes(512, 70_000)).equals(pattern(70_000, 1)))
  await exchange.close()
}

test('nbds to nbdkit: by address and by name, with a client certificate, and not without what has to hold', async t => {
  if (!need(t, 'nbdkit', 'openssl')) return
  const { pki, at } = await files(t)
  const tls = ['--tls=require', `--tls-certificates=${pki}`, '--tls-verify-peer']
  const { port } = await nbdkitOnPort(t, '127.0.0.1', ...tls, 'memory', '1M')
  const keys = { 'tls-ca': at('ca.pem'), 'tls-cert': at('alice.pem'), 'tls-key': at('alice.key') }
  await works(`nbds://127.0.0.1:${port}/`, keys)
  await works(`nbds://localhost:${port}/any%20name`, keys)
  await assert.rejects(open(`nbd://127.0.0.1:${port}/`), {
    code: 'NBD_TLS',
    message: /wants TLS/,
    hint: /nbds:/,
  })
  await assert.rejects(open(`nbds://127.0.0.1:${port}/`, { ...keys, 'tls-ca': at('other.pem') }), {
    code: 'NBD_TLS',
  })
  await assert.rejects(open(`nbds://127.0.0.1:${port}/?tls-hostname=elsewhere.example`, keys), {
    code: 'NBD_TLS',
    message: /elsewhere/,
  })
  await assert.rejects(open(`nbds://127.0.0.1:${port}/`, { 'tls-ca': at('ca.pem') }), {
    code: /NBD_TLS|NBD_HANDSHAKE|NBD_CONNECT/,
  })
})

test('nbds to qemu-nbd over a Unix socket', async t => {
  if (!need(t, 'qemu-nbd', 'qemu-img', 'openssl')) return
  const { pki, at } = await files(t)
  makeImage('qcow2', at('image'), '1M')
  const object = `tls-creds-x509,id=tls0,endpoint=server,verify-peer=off,dir=${pki}`
  await qemuNbd(
    t,
    at('s'),
    '--object',
    object,
    '--tls-creds',
    'tls0',
    '-f',
    'qcow2',
    '-x',
    'disk',
    at('image'),
  )
  await works(`nbds+unix:///disk?socket=${at('s')}`, { 'tls-ca': at('ca.pem') })
  await assert.rejects(open(`nbd+unix:///disk?socket=${at('s')}`), { code: 'NBD_TLS' })
})

test('nbds never goes on in clear', async t => {
  if (!need(t, 'nbdkit')) return
  const { port } = await nbdkitOnPort(t, '127.0.0.1', '--tls=off', 'memory', '1M')
  await assert.rejects(open(`nbds://127.0.0.1:${port}/`), { code: 'NBD_TLS', message: /does no TLS/ })
})

test('a wrong name is told with the right ones', async t => {
  if (!need(t, 'qemu-nbd', 'qemu-img')) return
  const folder = await scratch(t)
  makeImage('raw', join(folder, 'image'), '1M')
  await qemuNbd(t, join(folder, 's'), '-f', 'raw', '-x', 'left', join(folder, 'image'))
  await assert.rejects(open(`nbd+unix:///right?socket=${join(folder, 's')}`), {
    code: 'NBD_EXPORT',
    message: /no export 'right'/,
    hint: /'left'/,
  })
})

test('a server that is not there is told, by port, name and path', async t => {
  const folder = await scratch(t)
  for (const uri of [
    'nbd://127.0.0.1:1/',
    `nbd+unix:///?socket=${join(folder, 'none')}`,
    'nbd://no.invalid/',
  ]) {
    await assert.rejects(open(uri), { code: 'NBD_CONNECT', message: /cannot be reached: \S/ })
  }
})

test('a server is reached by name and by address, IPv6 too', async t => {
  if (!need(t, 'nbdkit')) return
  const loopbacks = Object.values(networkInterfaces()).flatMap(all => all ?? [])
  const hosts = ['127.0.0.1', '::1'].filter(host => loopbacks.some(({ address }) => address === host))
  assert.ok(hosts.length > 0)
  for (const host of hosts) {
    const { port } = await nbdkitOnPort(t, host, 'memory', '1M')
    await works(`nbd://${host.includes(':') ? `[${host}]` : host}:${port}/`, {})
    // The name may have both addresses, of which one is nobody's.
    if (host === '127.0.0.1') await works(`//localhost:${port}/`, {})
  }
})

test('a read-only export and readonly=yes refuse writes', async t => {
  if (!need(t, 'nbdkit')) return
  const folder = await scratch(t)
  await nbdkit(t, join(folder, 's'), '-r', 'memory', '1M')
  await nbdkit(t, join(folder, 'w'), 'memory', '1M')
  for (const [socket, keys] of [
    ['s', {}],
    ['w', { readonly: 'yes' }],
  ] as const) {
    const exchange = new StoreExchange(await open(`nbd+unix:///?socket=${join(folder, socket)}`, keys))
    assert.equal(exchange.store.canWrite, false)
    assert.equal((await exchange.write(0, pattern(512, 1))).error, StoreError.readOnly)
    await exchange.bytes(0, 512)
    await exchange.close()
  }
})

test('errors of the server are told apart, with its reason', async t => {
  if (!need(t, 'nbdkit')) return
  const folder = await scratch(t)
  for (const [name, wanted] of [
    ['EIO', StoreError.medium],
    ['ENOSPC', StoreError.noSpace],
    ['EPERM', StoreError.readOnly],
    ['EINVAL', StoreError.internal],
  ] as const) {
    const socket = join(folder, name)
    await nbdkit(t, socket, '--filter=error', 'memory', '1M', `error=${name}`, 'error-rate=100%')
    const exchange = new StoreExchange(await open(`nbd+unix:///?socket=${socket}`))
    const io = exchange.io()
    io.length = 512
    io.segments.push(Buffer.alloc(512))
    assert.equal((await exchange.put('write', io)).error, wanted, name)
    assert.match(io.reason, new RegExp(name))
    await exchange.close()
  }
})
