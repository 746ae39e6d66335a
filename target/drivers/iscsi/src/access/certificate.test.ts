// SPDX-License-Identifier: Apache-2.0
// Rules that ask for a client certificate, over real TLS: by name, by fingerprint, and without CHAP.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { LoginStatus } from '@lunkit/spec'
import { Authority, type Pair } from '@lunkit/testing/kit/certificates.ts'
import { TARGET, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { need } from '@lunkit/testing/peers.ts'
import { attempt, statusOf } from './proof.test-kit.ts'

test('a certificate may stand for a proof by CHAP', async t => {
  if (!need(t as never, 'openssl')) return
  const authority = new Authority()
  t.after(() => authority.dispose())
  const own = authority.issue({ name: 'portal', alternative: 'DNS:localhost,IP:127.0.0.1' })
  const alice = authority.issue({ name: 'alice', alternative: 'DNS:host1.example' })
  const bob = authority.issue({ name: 'bob' })
  const carol = authority.issue({ name: 'carol' })
  const fingerprint = new X509Certificate(bob.cert).fingerprint256
  const access = {
    [TARGET]: {
      chap: { user: 'alice', secret: 'the secret of alice' },
      rules: [
        { certificates: ['*.example', fingerprint.toLowerCase()], chap: 'none' as const },
        { certificates: ['carol'], hide: true },
        {},
      ],
    },
  }
  const tls = { ...own, ca: authority.cert, clientCert: 'request' as const }
  await withBench({ portals: [{ host: '127.0.0.1', port: 0, tls }], access }, async bench => {
    const came = async (pair: Partial<Pair>): Promise<number> => {
      const { port } = bench.port.portals[0]!
      const options = { port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert, ...pair }
      const socket = connect(options)
      await once(socket, 'secureConnect')
      const peer = RawPeer.over(socket)
      try {
        return statusOf(await attempt(peer, { target: TARGET }))
      } finally {
        await peer.close()
      }
    }
    assert.equal(await came(alice), LoginStatus.success)
    assert.equal(await came(bob), LoginStatus.success)
    assert.equal(await came(carol), LoginStatus.notFound)
    assert.equal(await came({}), LoginStatus.authenticationFailure)
  })
})
