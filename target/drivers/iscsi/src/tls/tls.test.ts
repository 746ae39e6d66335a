// SPDX-License-Identifier: Apache-2.0
// TLS portals and peers of node:tls: the road over them, client certificates, stalls and floods in the handshake, reload.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import {
  DATA_IN,
  LOGIN_RESPONSE,
  LOGOUT_REQUEST,
  LoginStatus,
  Opcode,
  SCSI_RESPONSE,
  Status,
} from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { driver } from '@lunkit/target-driver-iscsi'
import { Authority, type Pair } from '@lunkit/testing/kit/certificates.ts'
import {
  BLOCK,
  IscsiBench,
  read10,
  TARGET,
  testUnitReady,
  withBench,
  write10,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf, RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { need } from '@lunkit/testing/peers.ts'
import type { IscsiTargetPort } from '../port.ts'
import type { Tls, TlsSource } from './options.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const FULL = { transit: 1, csg: 1, nsg: 3 }
const ISID = Uint8Array.of(0x80, 0, 0, 0, 0, 7)

let authority: Authority
let stranger: Authority
let own: Pair
let alice: Pair
before(t => {
  if (!need(t as never, 'openssl')) return
  authority = new Authority()
  stranger = new Authority('Somebody else')
  own = authority.issue({ name: 'portal', alternative: 'DNS:localhost,IP:127.0.0.1' })
  alice = authority.issue({ name: 'alice', alternative: 'DNS:host1.example,URI:iqn:one' })
})
after(() => {
  authority?.dispose()
  stranger?.dispose()
})

/** A bench with a plain portal first and a TLS portal second. */
const withTls = (
  tls: TlsSource,
  run: (bench: IscsiBench, port: number) => Promise<void>,
  options: Parameters<typeof withBench>[0] = {},
): Promise<void> =>
  withBench(
    {
      portals: [
        { host: '127.0.0.1', port: 0 },
        { host: '127.0.0.1', port: 0, tls },
      ],
      ...options,
    },
    bench => run(bench, bench.port.portals[1]!.port),
  )

async function secure(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert, ...options })
  await once(socket, 'secureConnect')
  return socket
}

const peerOver = async (port: number, options: ConnectionOptions = {}): Promise<RawPeer> =>
  RawPeer.over(await secure(port, options))

/** Resolves when the socket is closed, with the code of the error that it had, or ''. */
function closed(socket: Socket): Promise<string> {
  let code = ''
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? error.message
  })
  socket.resume()
  return new Promise(resolve => socket.on('close', () => resolve(code)))
}

async function isServed(peer: RawPeer): Promise<void> {
  let status: number
  do {
    peer.command(testUnitReady())
    status = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status
  } while (status === Status.checkCondition)
  assert.equal(status, Status.good)
}

/** Data of a read, out of as many Data-In PDUs as it takes. */
async function readBlocks(peer: RawPeer, lba: number, blocks: number): Promise<Buffer> {
  peer.command(read10(lba, blocks), { read: 1, expectedDataTransferLength: blocks * BLOCK })
  const parts: Buffer[] = []
  for (;;) {
    const pdu = await peer.receive(Opcode.dataIn)
    parts.push(pdu.data)
    if (fieldsOf(DATA_IN, pdu).statusPresent === 1) return Buffer.concat(parts)
  }
}

describe('the road over TLS', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${version}: login, a write, many reads at once, logout`, () =>
      withTls(own, async (bench, port) => {
        const peer = await peerOver(port, { minVersion: version, maxVersion: version })
        await peer.login({ target: TARGET, keys: { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' } })
        await isServed(peer)
        const bytes = Buffer.from(Array.from({ length: 128 * BLOCK }, (_, i) => (i * 31 + (i >> 9)) & 0xff))
        peer.command(write10(8, 128), { write: 1, expectedDataTransferLength: bytes.length }, bytes)
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
        assert.equal(bench.port.watch.sessions()[0]!.connections[0]!.tls, true)
        for (let i = 0; i < 8; i++) assert.deepEqual(await readBlocks(peer, 8, 128), bytes)
        for (let i = 0; i < 16; i++)
          peer.command(read10(8, 128), { read: 1, expectedDataTransferLength: bytes.length })
        let whole = 0
        for (let ended = 0; ended < 16; ) {
          const pdu = await peer.receive(Opcode.dataIn)
          whole += pdu.data.length
          ended += fieldsOf(DATA_IN, pdu).statusPresent
        }
        assert.equal(whole, 16 * bytes.length)
        peer.sendPdu(LOGOUT_REQUEST, { opcode: Opcode.logoutRequest, final: 1, itt: 99, cmdSn: peer.cmdSn })
        await peer.receive(Opcode.logoutResponse)
        await peer.end()
        assert.equal(bench.of('session-closed')[0]!.cause, 'logout')
        assert.deepEqual(bench.of('peer-fault'), [])
      }))
  }

  test('a plain portal beside it is plain, and each does not speak the other', () =>
    withTls(own, async (bench, port) => {
      const plain = await bench.peer()
      const wrong = await RawPeer.connect(port)
      wrong.sendPdu(LOGOUT_REQUEST, { opcode: Opcode.logoutRequest })
      await wrong.end()
      await bench.until(() => bench.of('login-failed').length === 1)
      assert.match(bench.of('login-failed')[0]!.reason, /^TLS handshake failed: wrong version number$/)
      const upside = connect({ port: bench.port.portals[0]!.port, host: '127.0.0.1' })
      assert.notEqual(await closed(upside), '')
      await isServed(plain)
    }))

  test('versions before 1.2 are refused', () =>
    withTls(own, async (bench, port) => {
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
      const socket = connect({ port, host: '127.0.0.1', ca: authority.cert, ...old })
      assert.match(await closed(socket), /PROTOCOL_VERSION|ALERT/)
      assert.match(bench.of('login-failed')[0]!.reason, /unsupported protocol/)
    }))

  test('a refused login is told why before the end', () =>
    withTls(own, async (_bench, port) => {
      const peer = await peerOver(port)
      const pdu = await peer.loginRound(FULL, { ...NAMES, TargetName: `${TARGET}x` })
      const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
      assert.equal((statusClass << 8) | statusDetail, LoginStatus.notFound)
      await peer.end()
    }))

  test('a peer that does not read holds up itself alone, and gets everything later', () =>
    withTls(
      own,
      async (bench, port) => {
        const good = await bench.peer()
        const slow = await peerOver(port)
        await slow.login({ target: TARGET, isid: ISID })
        await isServed(slow)
        slow.socket.pause()
        const reads = 48
        for (let i = 0; i < reads; i++)
          slow.command(read10(0, 512), { read: 1, expectedDataTransferLength: 512 * BLOCK })
        for (let i = 0; i < 20; i++) await isServed(good)
        slow.socket.resume()
        let bytes = 0
        for (let ended = 0; ended < reads; ) {
          const pdu = await slow.receive(Opcode.dataIn)
          bytes += pdu.data.length
          ended += fieldsOf(DATA_IN, pdu).statusPresent
        }
        assert.equal(bytes, reads * 512 * BLOCK)
      },
      { limits: { sendQueueBytes: 65_536 } },
    ))

  test('a peer that is cut off amid answers leaves nothing behind', () =>
    withTls(own, async (bench, port) => {
      for (let i = 0; i < 5; i++) {
        const socket = await secure(port)
        const peer = RawPeer.over(socket)
        await peer.login({ target: TARGET, isid: ISID })
        await isServed(peer)
        for (let j = 0; j < 8; j++)
          peer.command(read10(0, 512), { read: 1, expectedDataTransferLength: 512 * BLOCK })
        await peer.receive()
        await peer.close()
      }
      await bench.until(() => bench.port.connections.sessions === 0)
    }))
})

describe('client certificates', () => {
  /** As they are told of, and as rules for access see them. */
  const certificates = (bench: IscsiBench) => {
    const { sessions } = bench.port as IscsiTargetPort
    const known = [...sessions.values()].flatMap(({ connections }) => [...connections.values()])
    const told = bench.port.watch.sessions().flatMap(({ connections }) => connections)
    assert.deepEqual(
      told.map(({ certificate }) => certificate),
      known.map(({ certificate }) => certificate),
    )
    return told.map(({ certificate }) => certificate)
  }

  test('with an authority one is required, and its names are known', () =>
    withTls({ ...own, ca: authority.cert }, async (bench, port) => {
      const peer = await peerOver(port, alice)
      await peer.login({ target: TARGET })
      const fingerprint = (peer.socket as TLSSocket).getCertificate() as { fingerprint256: string }
      assert.deepEqual(certificates(bench), [
        { names: ['alice', 'host1.example', 'iqn:one'], fingerprint: fingerprint.fingerprint256 },
      ])
    }))

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${version}: without one, or with that of another authority, there is no connection`, () =>
      withTls(
        { ...own, ca: authority.cert },
        async (bench, port) => {
          const good = await bench.peer()
          const only = { port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert }
          const versions = { minVersion: version, maxVersion: version }
          for (const pair of [
            {},
            stranger.issue({ name: 'mallory' }),
            authority.issue({ name: 'late', days: -1 }),
          ]) {
            const other = connect({ ...only, ...versions, ...pair })
            other.on('secureConnect', () => other.write('nothing that is answered'))
            await closed(other)
          }
          await bench.until(() => bench.of('login-failed').length === 3)
          const reasons = bench.of('login-failed').map(({ reason }) => reason)
          assert.match(reasons[0]!, /^Client certificate is missing$/)
          assert.match(reasons[1]!, /not to be trusted: UNABLE_TO/)
          assert.match(reasons[2]!, /not to be trusted: CERT_HAS_EXPIRED/)
          assert.deepEqual(certificates(bench), [null])
          await isServed(good)
        },
        // A failed proof counts as a failed login.
        { limits: { failedLogins: 3 }, trustedAddresses: ['10.0.0.1'] },
      ))
  }

  test('where one is only asked for, who has none is a connection without', () =>
    withTls({ ...own, ca: authority.cert, clientCert: 'request' }, async (bench, port) => {
      const pairs = [{}, stranger.issue({ name: 'mallory' }), alice]
      for (const [i, pair] of pairs.entries()) {
        const peer = await peerOver(port, pair)
        await peer.login({ target: TARGET, isid: Uint8Array.of(0x80, 0, 0, 0, 1, i) })
      }
      assert.deepEqual(
        certificates(bench).map(one => one?.names[0] ?? null),
        [null, null, 'alice'],
      )
    }))

  test('a session of TLS that was saved lets nobody in without a certificate', () =>
    withTls({ ...own, ca: authority.cert }, async (bench, port) => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const versions = { minVersion: version, maxVersion: version }
        const first = await secure(port, { ...alice, ...versions })
        const saved = version === 'TLSv1.2' ? first.getSession() : await sessionOf(first)
        first.destroy()
        const again = connect({ port, host: '127.0.0.1', ca: authority.cert, ...versions, session: saved })
        await closed(again)
      }
      await bench.until(() => bench.of('login-failed').length === 2)
      for (const { reason } of bench.of('login-failed')) assert.equal(reason, 'Client certificate is missing')
    }))
})

/** What TLS 1.3 gives for another time, or nothing if it gives none before it answers something else. */
async function sessionOf(socket: TLSSocket): Promise<Buffer | undefined> {
  const peer = RawPeer.over(socket)
  let session: Buffer | undefined
  socket.once('session', given => {
    session = given
  })
  await peer.login({ target: TARGET, isid: Uint8Array.of(0x80, 0, 0, 0, 2, 1) })
  return session
}

describe('hostile handshakes', () => {
  test('one that stalls ends with the time for login', () =>
    withTls(
      own,
      async (bench, port) => {
        const good = await bench.peer()
        const silent = await RawPeer.connect(port)
        const dribble = await RawPeer.connect(port)
        dribble.send(CLIENT_HELLO_BEGUN)
        await silent.end()
        await dribble.end()
        // A handshake that is through has what is left of that time.
        const idle = await secure(port)
        await closed(idle)
        assert.deepEqual(
          bench.of('login-failed').map(({ reason }) => reason),
          ['Login took too long', 'Login took too long', 'Login took too long'],
        )
        await isServed(good)
      },
      { limits: { loginTimeoutMs: 150 } },
    ))

  test('they count as connections that are not logged in: the oldest make room', () =>
    withTls(
      own,
      async (bench, port) => {
        const good = await bench.peer()
        const first = await RawPeer.connect(port)
        await bench.until(() => bench.port.connections.pending === 1)
        const others = [await RawPeer.connect(port), await RawPeer.connect(port)]
        await first.end()
        await bench.until(() => bench.port.connections.pending === 2)
        const peer = await peerOver(port)
        await peer.login({ target: TARGET, isid: ISID })
        await isServed(peer)
        await isServed(good)
        for (const other of others) await other.close()
      },
      { limits: { pendingConnections: 2 } },
    ))

  test('floods of bytes in a handshake end it, and cost no memory to speak of', () =>
    withTls(own, async (bench, port) => {
      const good = await bench.peer()
      const floods = [
        // Garbage, records that carry nothing, and a hello that says that it is endless.
        Buffer.alloc(65_536, 0x43),
        Buffer.from('160301000016030100001603010000'.repeat(4000), 'hex'),
        Buffer.concat(
          Array.from({ length: 64 }, (_, i) => record(i === 0 ? ENDLESS_HELLO : Buffer.alloc(16_000))),
        ),
      ]
      for (const flood of floods) {
        const socket = connectTcp(port, '127.0.0.1')
        const end = closed(socket)
        const pump = (): void => {
          while (!socket.destroyed && socket.write(flood));
        }
        socket.on('connect', pump)
        socket.on('drain', pump)
        await end
        await bench.until(() => bench.port.connections.pending === 0)
      }
      await isServed(good)
    }))

  test('handshakes made anew within a connection are refused', () =>
    withTls(own, async (bench, port) => {
      const good = await bench.peer()
      const socket = await secure(port, { maxVersion: 'TLSv1.2' })
      const again = new Promise<Error | null>(resolve => {
        socket.on('error', resolve)
        socket.renegotiate({}, resolve)
      })
      assert.notEqual(await again, null)
      socket.destroy()
      await isServed(good)
    }))

  test('bytes after the handshake and before login are counted', () =>
    withTls(
      own,
      async (bench, port) => {
        const socket = await secure(port)
        const end = closed(socket)
        const login = Buffer.alloc(48)
        login.set([0x43, 0x44], 0)
        login.writeUIntBE(8192, 5, 3)
        socket.write(
          Buffer.concat(Array.from({ length: 8 }, () => Buffer.concat([login, Buffer.alloc(8192, 0x41)]))),
        )
        await end
        assert.match(bench.of('login-failed')[0]!.reason, /too many bytes/)
      },
      { limits: { pendingBytes: 20_000 } },
    ))

  test('a stop does not wait for handshakes', async () => {
    const bench = await IscsiBench.open({ portals: [{ host: '127.0.0.1', port: 0, tls: own }] })
    const silent = await RawPeer.connect(bench.port.portals[0]!.port)
    await bench.until(() => bench.port.connections.pending === 1)
    await bench.port.stop(60_000)
    await silent.end()
    await bench.close()
  })
})

const record = (body: Buffer): Buffer =>
  Buffer.concat([Buffer.of(22, 3, 1, body.length >> 8, body.length & 255), body])
/** A ClientHello whose length is 16 MiB less one. */
const ENDLESS_HELLO = Buffer.concat([Buffer.of(1, 255, 255, 255, 3, 3), Buffer.alloc(15_994)])
/** The first bytes of a record, and no more. */
const CLIENT_HELLO_BEGUN = Buffer.of(22, 3, 1, 2, 0, 1, 0)

describe('certificates of the portal', () => {
  test('are read anew for new connections; bad ones change nothing', async () => {
    let source: Tls | null = own
    const reading = (): Promise<Tls> =>
      source === null ? Promise.reject(new Error('file is gone')) : Promise.resolve(source)
    await withTls(reading, async (bench, port) => {
      const shown = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN)
      const peer = await peerOver(port)
      assert.equal(shown(peer.socket as TLSSocket), 'portal')
      await peer.login({ target: TARGET })
      source = authority.issue({ name: 'portal two', alternative: 'DNS:localhost' })
      await bench.port.reloadCertificates()
      const next = await secure(port)
      assert.equal(shown(next), 'portal two')
      for (const bad of [null, { ...own, key: alice.key }, { cert: 'no PEM', key: own.key }]) {
        source = bad
        await assert.rejects(bench.port.reloadCertificates())
      }
      const last = await secure(port)
      assert.equal(shown(last), 'portal two')
      next.destroy()
      last.destroy()
      await isServed(peer)
    })
  })

  test('that cannot be used are refused at the start, in words', async () => {
    const bench = await IscsiBench.open()
    const wrong = async (tls: TlsSource, code: string): Promise<void> => {
      const portals = [{ host: '127.0.0.1', port: 0, tls }]
      await assert.rejects(driver.start(bench.watched, { portals }), error => {
        assert.ok(error instanceof OperatorError)
        assert.equal(error.code, code)
        assert.notEqual(error.hint, '')
        assert.doesNotMatch(`${error.message} ${error.hint}`, /PRIVATE/)
        return true
      })
    }
    await wrong({ ...own, key: alice.key }, 'TLS_CERTIFICATE')
    await wrong({ cert: 'nothing', key: own.key }, 'TLS_CERTIFICATE')
    await wrong({ ...own, clientCert: 'require' }, 'TLS_CLIENT_CA')
    await wrong({ ...own, ca: 'nothing' }, 'TLS_CLIENT_CA')
    await wrong(
      { ...own, ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
      'TLS_CLIENT_CA',
    )
    await wrong({ ...own, ca: authority.cert, clientCert: 'maybe' as 'none' }, 'TLS_CLIENT_CERT')
    await bench.close()
  })

  test('that are out of date are warned of', () =>
    withTls(authority.issue({ name: 'portal', days: -1 }), async bench => {
      assert.match(bench.of('warning')[0]!.reason, /is valid only from \d{4}-\d\d-\d\d to/)
    }))
})

describe('discovery', () => {
  test('each kind of peer is told of what it can use', () =>
    withBench(
      {
        portals: [
          { host: '127.0.0.1', port: 0 },
          { host: '127.0.0.1', port: 0, tls: own },
          { host: '127.0.0.1', port: 0, tls: own, advertise: { host: 'tunnel.example', port: 3260 } },
        ],
      },
      async bench => {
        const [plain, first, second] = bench.port.portals
        const told = async (peer: RawPeer): Promise<Record<string, string>> => {
          await peer.login()
          return keysOf(await peer.textRound({ SendTargets: 'All' }))
        }
        const expected = { TargetName: TARGET, TargetAddress: `127.0.0.1:${plain!.port},1` }
        assert.deepEqual(await told(await bench.connect()), expected)
        for (const { port } of [first!, second!]) {
          const peer = await peerOver(port)
          assert.deepEqual(await told(peer), { TargetName: TARGET, TargetAddress: 'tunnel.example:3260,1' })
          await peer.close()
        }
      },
    ))

  test('a tunnel alone is where its peer is already', () =>
    withTls(own, async (_bench, port) => {
      const peer = await peerOver(port)
      await peer.login()
      assert.deepEqual(keysOf(await peer.textRound({ SendTargets: 'All' })), { TargetName: TARGET })
    }))
})
