// SPDX-License-Identifier: Apache-2.0
// The initiator's TLS: the stream begins after the handshake, and a portal that cannot prove itself is not spoken to.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect, discover } from 'lunkit/initiator'
import { createTarget, memory } from 'lunkit/target'
import { Authority } from '../kit/certificates.ts'
import { workFolder } from '../kit/serve-process.ts'

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '../../cli/src/main.ts')
const run = promisify(execFile)

test('data through TLS, with a certificate of this side where the portal wants one', async () => {
  const authority = new Authority()
  const other = new Authority('Other authority')
  try {
    const server = authority.issue({ name: 'disk', alternative: 'DNS:disk.example,IP:127.0.0.1' })
    const client = authority.issue({ name: 'initiator' })
    const tls = { ...server, ca: authority.cert }
    await using target = await createTarget({
      luns: [memory('2M')],
      portal: { host: '127.0.0.1', port: 0, tls },
    })
    const trusting = { ca: authority.cert, ...client }
    await using disk = await connect(target.url, { tls: trusting, connections: 2, headerDigest: 'require' })
    assert.equal(disk.session.connections.length, 2)
    const data = Buffer.alloc(1 << 20, 'through TLS')
    await disk.write(0, data)
    assert.ok((await disk.read(0, 2048)).equals(data))
    const portal = target.portals[0]!
    const found = await discover(portal, { tls: { ...trusting, servername: 'disk.example' } })
    assert.equal(found.length, 1)
    const refused = [
      { ca: other.cert, ...client },
      { ...trusting, servername: 'elsewhere.example' },
    ]
    for (const one of refused) {
      await assert.rejects(connect(target.url, { tls: one }), {
        code: 'TRANSPORT_CONNECT_FAILED',
        message: /TLS: /,
      })
    }
    const nobody = connect(target.url, { tls: { ca: authority.cert }, loginTimeoutMs: 5000 })
    await assert.rejects(nobody, { code: /^TRANSPORT_CONN/ })
  } finally {
    authority.dispose()
    other.dispose()
  }
})

test('lunkit through TLS, over two connections, with files for certificates', async () => {
  const authority = new Authority()
  const folder = workFolder()
  const path = (file: string): string => join(folder.path, file)
  try {
    const server = authority.issue({ name: 'disk', alternative: 'DNS:disk.example' })
    const client = authority.issue({ name: 'initiator' })
    const files = { 'ca.pem': authority.cert, 'client.pem': client.cert, 'client.key': client.key }
    for (const [file, text] of Object.entries(files)) writeFileSync(path(file), text)
    await using target = await createTarget({
      luns: [memory('3M')],
      portal: { host: '127.0.0.1', port: 0, tls: { ...server, ca: authority.cert } },
    })
    const trust = ['--tls-ca', path('ca.pem'), '--tls-name', 'disk.example']
    const proof = ['--tls-cert', path('client.pem'), '--tls-key', path('client.key')]
    const spread = ['--connections', '2', '--recovery-level', '2', '--digests', '--json']
    const { stdout } = await run(process.execPath, [MAIN, 'info', target.url, ...trust, ...proof, ...spread])
    assert.equal(JSON.parse(stdout).bytes, 3 << 20)
  } finally {
    authority.dispose()
    folder.dispose()
  }
})
