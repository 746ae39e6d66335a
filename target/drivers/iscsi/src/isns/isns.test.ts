// SPDX-License-Identifier: Apache-2.0
// The iSNS client against a scripted server: what it registers, when it does so again, and servers that misbehave.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { IsnsFunction, IsnsTag } from '@lunkit/spec'
import { OperatorError, type Target } from '@lunkit/target-api'
import { driver, type IsnsRegistration, registerWithIsns } from '@lunkit/target-driver-iscsi'
import { IscsiBench, TARGET } from '@lunkit/testing/kit/iscsi-bench.ts'
import {
  type IsnsAsked,
  IsnsPeer,
  type IsnsScript,
  isnsAnswer,
  isnsSuccess,
} from '@lunkit/testing/kit/isns-peer.ts'
import { resetSocket } from '@lunkit/testing/kit/reset-socket.ts'
import type { IsnsOptions } from './options.ts'

const REPLACE = 0x1000
const { deviceAttributeRegistration: REGISTER, deviceDeregistration: DEREGISTER } = IsnsFunction

interface Place {
  readonly bench: IscsiBench
  readonly server: IsnsPeer
  readonly isns: IsnsRegistration
}

/** A bench, a scripted server, and a registration with it; closed at the end, with all that it must leave. */
async function withIsns(
  options: Partial<IsnsOptions> & { script?: IsnsScript; bench?: Parameters<typeof IscsiBench.open>[0] },
  run: (place: Place) => Promise<void>,
): Promise<void> {
  const { script = isnsSuccess, bench: benchOptions = {}, ...isnsOptions } = options
  const bench = await IscsiBench.open(benchOptions)
  const server = await IsnsPeer.open()
  server.script = script
  const isns = await registerWithIsns(bench.engine, {
    servers: [server.name],
    retryMs: 5,
    longestRetryMs: 20,
    timeoutMs: 500,
    ...isnsOptions,
  })
  try {
    await run({ bench, server, isns })
  } finally {
    await isns.close()
    await server.close()
    await bench.close()
  }
}

const isRegistered = ({ isns }: Place): boolean => isns.servers[0]!.registered
const hexOf = (number: number): string => number.toString(16).padStart(8, '0')
const status = (code: number): Buffer => Buffer.from(hexOf(code), 'hex')
const ask = (asked: IsnsAsked, tag: number): string[] =>
  asked.attributes.filter(([one]) => one === tag).map(([, value]) => value)

describe('a registration', () => {
  // Requirement: RFC 4171, DevAttrReg: source, message key, delimiter, then the entity, its portals, its nodes.
  test('names the entity, the portals, the nodes and the portal groups, in that order', async () => {
    const entity = 'a test'
    await withIsns({ entity, esiSeconds: 7, periodSeconds: 99 }, async place => {
      const { server, bench } = place
      await bench.until(() => isRegistered(place))
      const [first] = server.asked
      assert.equal(first!.functionId, REGISTER)
      assert.equal(first!.flags, 0x8c00 | REPLACE)
      assert.deepEqual(
        first!.attributes.map(([tag]) => tag),
        [32, 1, 0, 1, 2, 6, 16, 17, 19, 20, 32, 33, 34, 51, 49, 50],
      )
      const { port } = bench.port.portals[0]!
      assert.deepEqual(IsnsPeer.texts(first!, IsnsTag.iscsiName), [TARGET, TARGET])
      assert.deepEqual(IsnsPeer.texts(first!, IsnsTag.entityIdentifier), [entity, entity])
      assert.deepEqual(ask(first!, IsnsTag.portalAddress), ['00000000000000000000ffff7f000001'])
      assert.deepEqual(ask(first!, IsnsTag.portalPort), [hexOf(port)])
      assert.deepEqual(ask(first!, IsnsTag.groupPortalPort), [hexOf(port)])
      assert.deepEqual(ask(first!, IsnsTag.groupTag), [hexOf(1)])
      assert.deepEqual(ask(first!, IsnsTag.esiInterval), [hexOf(7)])
      assert.deepEqual(ask(first!, IsnsTag.registrationPeriod), [hexOf(99)])
      assert.deepEqual(ask(first!, IsnsTag.iscsiNodeType), [hexOf(1)])
    })
  })

  test('has every portal group of the process, and what is advertised in place of a portal', async () => {
    const portals = [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 0, advertise: { host: '192.0.2.9', port: 860 } },
      { host: '0.0.0.0', port: 0 },
      // A name that only others can look up is left out; the rest is registered.
      { host: '127.0.0.1', port: 0, advertise: { host: 'no-such-name.invalid' } },
    ]
    const bench = await IscsiBench.open({ portals })
    const second = await driver.start(bench.engine, { portals: [{ host: '::1', port: 0 }], tpgt: 2 })
    const server = await IsnsPeer.open()
    const isns = await registerWithIsns(bench.engine, { servers: [server.name] })
    await bench.until(() => isns.servers[0]!.registered)
    const [first] = server.asked
    const ports = [bench.port.portals[0]!.port, 860, bench.port.portals[2]!.port, second.portals[0]!.port]
    assert.deepEqual(ask(first!, IsnsTag.portalPort), ports.map(hexOf))
    assert.deepEqual(ask(first!, IsnsTag.portalAddress), [
      '00000000000000000000ffff7f000001',
      '00000000000000000000ffffc0000209',
      '00000000000000000000ffff7f000001',
      '00000000000000000000000000000001',
    ])
    assert.deepEqual(ask(first!, IsnsTag.groupTag), [hexOf(1), hexOf(2)])
    // Inquiries could not come to an address that is only advertised.
    assert.equal(ask(first!, IsnsTag.esiPort).length, 3)
    await isns.close()
    await second.stop(0)
    await server.close()
    await bench.close()
  })

  test('ends with a farewell, and goes on until then', async () => {
    await withIsns({ entity: 'leaves' }, async place => {
      const { isns, server, bench } = place
      await bench.until(() => isRegistered(place))
      await isns.close()
      const last = server.asked.at(-1)!
      assert.equal(last.functionId, DEREGISTER)
      assert.deepEqual(
        last.attributes.map(([tag]) => tag),
        [32, 0, 1],
      )
      assert.deepEqual(IsnsPeer.texts(last, IsnsTag.entityIdentifier), ['leaves'])
    })
  })

  test('of many targets takes as many messages as it needs', () =>
    withIsns({}, async place => {
      const { bench, isns, server } = place
      await bench.until(() => isRegistered(place))
      const before = server.asked.length
      for (let i = 0; i < 300; i++)
        bench.engine.addTarget({ name: `iqn.2026-11.test.lunkit:${'x'.repeat(180)}${i}` })
      isns.look()
      await bench.until(() => server.asked.length >= before + 10 && isRegistered(place))
      const names = server.asked
        .slice(before)
        .flatMap(asked => IsnsPeer.texts(asked, IsnsTag.iscsiName).slice(1))
      assert.equal(new Set(names).size, 301)
      assert.ok(server.asked.slice(before).every(({ flags }) => (flags & REPLACE) === 0))
    }))

  test('follows targets that come, go and change their names', async () => {
    const bench = await IscsiBench.open()
    const server = await IsnsPeer.open()
    const target = (name: string): Target => ({ ...bench.engine.findTarget(TARGET)!, name })
    const [one, two, three] = ['one', 'two', 'three'].map(name => target(`iqn.2026-11.test.lunkit:${name}`))
    let targets: Target[] = []
    const engine = {
      ports: bench.engine.ports,
      observe: bench.engine.observe,
      get targets() {
        return targets
      },
    }
    const isns = await registerWithIsns(engine, { servers: [server.name] })
    /** Names that were registered and taken back in the requests that follow a change. */
    const change = async (to: Target[], requests: number): Promise<[string, string[]][]> => {
      const before = server.asked.length
      targets = to
      isns.look()
      await bench.until(() => server.asked.length === before + requests)
      return server.asked
        .slice(before)
        .map(asked => [
          asked.functionId === REGISTER ? 'in' : 'out',
          IsnsPeer.texts(asked, IsnsTag.iscsiName).map(name => name.replace(/.*:/, '')),
        ])
    }
    assert.deepEqual(await change([one!, two!], 1), [['in', ['one', 'one', 'two']]])
    assert.deepEqual(await change([two!], 2), [
      ['out', ['two', 'one']],
      ['in', ['two', 'two']],
    ])
    // Nothing of the old is left: the old name is the source of its own end.
    assert.deepEqual(await change([three!], 2), [
      ['out', ['two', 'two']],
      ['in', ['three', 'three']],
    ])
    assert.deepEqual(await change([], 1), [['out', ['three']]])
    assert.deepEqual(await change([one!], 1), [['in', ['one', 'one']]])
    await isns.close()
    await server.close()
    await bench.close()
  })

  test('is renewed well within the time after which the server would forget it', () =>
    withIsns(
      {
        // The server says one second, whatever was asked for.
        script: asked => isnsAnswer(asked, Buffer.from(`00000000${'00000006'}00000004${hexOf(1)}`, 'hex')),
      },
      async ({ bench, server }) => {
        await bench.until(() => server.asked.length >= 3)
        assert.equal(server.connections, 1)
        assert.deepEqual(
          server.asked.map(({ functionId, flags }) => [functionId, flags & REPLACE]),
          server.asked.map((_, i) => [REGISTER, i === 0 ? REPLACE : 0]),
        )
      },
    ))

  test('goes to every server, whatever one of them does', async () => {
    const bench = await IscsiBench.open()
    const [one, two] = [await IsnsPeer.open(), await IsnsPeer.open()]
    one.script = () => null
    const isns = await registerWithIsns(bench.engine, { servers: [one.name, two.name], timeoutMs: 60_000 })
    await bench.until(() => isns.servers[1]!.registered)
    assert.equal(isns.servers[0]!.registered, false)
    await isns.close()
    assert.equal(two.asked.at(-1)!.functionId, DEREGISTER)
    await one.close()
    await two.close()
    await bench.close()
  })
})

describe('a server that', () => {
  test('is not there is tried again, told of once, and found when it comes', async () => {
    const bench = await IscsiBench.open()
    const gone = await IsnsPeer.open()
    const { port } = gone
    await gone.close()
    const isns = await registerWithIsns(bench.engine, {
      servers: [`127.0.0.1:${port}`],
      retryMs: 2,
      longestRetryMs: 4,
    })
    await bench.until(() => isns.servers[0]!.reason.includes('ECONNREFUSED'))
    const server = await IsnsPeer.open(port)
    await bench.until(() => isns.servers[0]!.registered)
    assert.equal(bench.of('warning').length, 1)
    assert.match(
      bench.of('warning')[0]!.reason,
      /^iSNS server 127\.0\.0\.1:\d+: .*ECONNREFUSED.*tried again$/,
    )
    await isns.close()
    await server.close()
    await bench.close()
  })

  test('is started anew is registered with again, without wiping anything', () =>
    withIsns({}, async place => {
      const { bench, server } = place
      await bench.until(() => isRegistered(place))
      server.drop()
      await bench.until(() => server.connections === 2 && isRegistered(place))
      const last = server.asked.at(-1)!
      assert.deepEqual([last.functionId, last.flags & REPLACE], [REGISTER, 0])
    }))

  test('cannot inquire, or knows no portal groups, is registered with less', () =>
    withIsns(
      {
        script: asked => {
          if (ask(asked, IsnsTag.esiPort).length > 0) return isnsAnswer(asked, status(21))
          return isnsAnswer(asked, status(ask(asked, IsnsTag.groupTag).length > 0 ? 23 : 0))
        },
      },
      async place => {
        await place.bench.until(() => isRegistered(place))
        assert.equal(place.server.asked.length, 3)
        assert.deepEqual(place.bench.of('warning'), [])
      },
    ))

  test('refuses is asked again later, and what it says is told once', () =>
    withIsns({ script: asked => isnsAnswer(asked, status(8)) }, async ({ bench, server, isns }) => {
      await bench.until(() => server.asked.length >= 4)
      assert.equal(bench.of('warning').length, 1)
      assert.match(isns.servers[0]!.reason, /Source unauthorized/)
    }))

  const faults: Record<string, [script: IsnsScript, reason: RegExp]> = {
    'says nothing': [() => null, /does not answer/],
    resets: [
      (_, socket) => {
        resetSocket(socket)
        return null
      },
      /ECONNRESET|closed/,
    ],
    closes: [
      (_, socket) => {
        socket.end()
        return null
      },
      /closed/,
    ],
    'answers something else': [
      asked => isnsAnswer(asked, Buffer.alloc(4), { functionId: 0x8002 }),
      /does not answer/,
    ],
    'answers another transaction': [
      asked => isnsAnswer(asked, Buffer.alloc(4), { transaction: asked.transaction ^ 0xff }),
      /does not answer/,
    ],
    'answers without a status': [asked => isnsAnswer(asked, Buffer.alloc(2)), /no status/],
    'answers with attributes of wrong lengths': [
      asked => isnsAnswer(asked, Buffer.from('0000000000000006000000ff00000001', 'hex')),
      /wrong lengths/,
    ],
    'says that its answer is longer than it is': [
      asked => isnsAnswer(asked, Buffer.alloc(4), { length: 0xffff }),
      /does not answer/,
    ],
    'has another version': [
      asked => {
        const answer = isnsAnswer(asked, Buffer.alloc(4))
        answer[1] = 9
        return answer
      },
      /Version 9/,
    ],
    'begins in the middle': [asked => isnsAnswer(asked, Buffer.alloc(4), { flags: 0x4800 }), /out of order/],
    'jumps in a message': [
      asked =>
        Buffer.concat([
          isnsAnswer(asked, Buffer.alloc(4), { flags: 0x4400 }),
          isnsAnswer(asked, Buffer.alloc(4), { flags: 0x4800, sequence: 7 }),
        ]),
      /out of order/,
    ],
    'never ends its message': [
      (asked, socket) => {
        for (let sequence = 0; sequence < 40; sequence++) {
          const flags = sequence === 0 ? 0x4400 : 0x4000
          socket.write(isnsAnswer(asked, Buffer.alloc(60_000), { flags, sequence }))
        }
        return null
      },
      /too long/,
    ],
    'sends garbage': [() => Buffer.alloc(4096, 0x5a), /Version 23130/],
  }
  for (const [name, [script, reason]] of Object.entries(faults)) {
    test(`${name} is left, told of once, and used when it is well again`, () =>
      withIsns({ script, timeoutMs: reason.test('does not answer') ? 40 : 10_000 }, async place => {
        const { bench, server, isns } = place
        await bench.until(() => server.connections >= 3)
        assert.equal(isns.servers[0]!.registered, false)
        assert.equal(bench.of('warning').length, 1)
        assert.match(bench.of('warning')[0]!.reason, reason)
        // The target does not mind.
        await bench.peer()
        server.script = isnsSuccess
        await bench.until(() => isRegistered(place))
      }))
  }

  test('answers in several PDUs is understood', () =>
    withIsns(
      {
        script: asked =>
          Buffer.concat([
            isnsAnswer(asked, Buffer.alloc(2), { flags: 0x4400 }),
            isnsAnswer(asked, Buffer.alloc(2), { flags: 0x4800, sequence: 1 }),
          ]),
      },
      async place => place.bench.until(() => isRegistered(place)),
    ))
})

describe('inquiries', () => {
  const inquiry = (transaction: number, payload: Uint8Array): Buffer =>
    isnsAnswer({ functionId: 0, flags: 0, transaction, attributes: [] }, payload, { functionId: 13 })

  /** Where the server was told that inquiries are to go. */
  const inquiryPort = ({ server }: Place): number =>
    Number.parseInt(ask(server.asked[0]!, IsnsTag.esiPort)[0]!, 16)

  // Requirement: RFC 4171, ESI: the response repeats the request's attributes behind its status.
  test('are answered with what they asked', () =>
    withIsns({}, async place => {
      await place.bench.until(() => isRegistered(place))
      const socket = connect(inquiryPort(place), '127.0.0.1')
      const payload = Buffer.from('0000000400000008000000000000002a0000000100000004656e7400', 'hex')
      const whole = inquiry(77, payload)
      socket.write(whole.subarray(0, 5))
      socket.write(whole.subarray(5))
      const [answer] = (await once(socket, 'data')) as [Buffer]
      assert.equal(answer.readUInt16BE(2), 0x800d)
      assert.equal(answer.readUInt16BE(6), 0x8c00)
      assert.equal(answer.readUInt16BE(8), 77)
      assert.deepEqual(answer.subarray(12), Buffer.concat([Buffer.alloc(4), payload]))
      assert.equal(place.isns.inquiries, 1)
      socket.write(inquiry(78, Buffer.from('0000000400000009', 'hex')))
      const [refusal] = (await once(socket, 'data')) as [Buffer]
      assert.deepEqual(refusal.subarray(8), Buffer.from('004e000000000002', 'hex'))
      socket.destroy()
    }))

  test('come to the port that is given, at each portal', async () => {
    const gone = await IsnsPeer.open()
    const esiPort = gone.port
    await gone.close()
    const portals = ['127.0.0.1', '127.0.0.2'].map(host => ({ host, port: 0 }))
    await withIsns({ esiPort, bench: { portals } }, async place => {
      await place.bench.until(() => isRegistered(place))
      assert.deepEqual(ask(place.server.asked[0]!, IsnsTag.esiPort), [hexOf(esiPort), hexOf(esiPort)])
      for (const host of ['127.0.0.1', '127.0.0.2']) {
        const socket = connect(esiPort, host)
        socket.write(inquiry(1, Buffer.alloc(0)))
        await once(socket, 'data')
        socket.destroy()
      }
      assert.equal(place.isns.inquiries, 2)
    })
  })

  test('may come on the connection of the registration as well', () =>
    withIsns(
      {
        script: asked =>
          asked.functionId === 0x800d
            ? null
            : Buffer.concat([inquiry(5, Buffer.alloc(0)), isnsAnswer(asked, Buffer.alloc(4))]),
      },
      async ({ bench, server }) => bench.until(() => server.asked.some(one => one.functionId === 0x800d)),
    ))

  test('that are none end their connection, and floods of them cost nothing', () =>
    withIsns({}, async place => {
      await place.bench.until(() => isRegistered(place))
      const port = inquiryPort(place)
      const bytes = [
        Buffer.alloc(64, 0xff),
        inquiry(1, Buffer.alloc(4)).fill(2, 3, 4),
        Buffer.concat(Array.from({ length: 30_000 }, (_, i) => inquiry(i & 0xffff, Buffer.alloc(800)))),
      ]
      for (const [i, one] of bytes.entries()) {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => undefined)
        // The flood is one that reads no answer.
        if (i === 2) socket.pause()
        else socket.resume()
        socket.write(one)
        await new Promise(resolve => socket.on('close', resolve))
      }
      const many = Array.from({ length: 40 }, () => connect(port, '127.0.0.1'))
      let closed = 0
      for (const socket of many) {
        socket.on('error', () => undefined)
        socket.on('close', () => closed++)
        socket.resume()
      }
      await place.bench.until(() => closed >= 24)
      for (const socket of many) socket.destroy()
      await place.bench.peer()
    }))
})

test('options that cannot be are refused', async () => {
  const bench = await IscsiBench.open()
  const wrong = (options: IsnsOptions, code: string): Promise<void> =>
    assert.rejects(registerWithIsns(bench.engine, options), error => {
      assert.ok(error instanceof OperatorError)
      assert.equal(error.code, code)
      assert.notEqual(error.hint, '')
      return true
    })
  const servers = ['127.0.0.1']
  await wrong({ servers: [] }, 'ISNS_SERVER')
  await wrong({ servers: ['a host'] }, 'ISNS_SERVER')
  await wrong({ servers: ['host:70000'] }, 'ISNS_SERVER')
  await wrong({ servers, entity: '' }, 'ISNS_ENTITY')
  await wrong({ servers, entity: 'x'.repeat(256) }, 'ISNS_ENTITY')
  await wrong({ servers, periodSeconds: 0 }, 'ISNS_VALUE')
  await wrong({ servers, esiSeconds: -1 }, 'ISNS_VALUE')
  await wrong({ servers, esiPort: 70_000 }, 'ISNS_VALUE')
  await wrong({ servers, retryMs: 100, longestRetryMs: 10 }, 'ISNS_VALUE')
  await bench.close()
})
