// SPDX-License-Identifier: Apache-2.0
// Rehearsed path loss as raw peers meet it: no answers, no reading, resets, delays, and the way back.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Opcode, SCSI_RESPONSE } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { type IscsiBench, read10, TARGET, testUnitReady, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import type { IscsiTargetPort } from '../port.ts'
import { resetConnection } from './obstacle.ts'

const OTHER = 'iqn.2026-11.test.lunkit:other-peer'
const SECOND = Uint8Array.of(0x80, 0, 0, 0, 0, 2)

/** A command goes through. */
async function works(peer: RawPeer): Promise<void> {
  peer.command(testUnitReady())
  await peer.receive(Opcode.scsiResponse)
}

/** Another session has been served since: what the first was to get would have come by now. */
async function passTime(bench: IscsiBench): Promise<void> {
  const peer = await bench.peer({ initiator: OTHER, isid: SECOND })
  for (let i = 0; i < 20; i++) await works(peer)
  await peer.close()
}

describe('silence', () => {
  test('a session is read and gets no answer; when it ends, the connection is reset and a new one works', () =>
    withBench({ nop: { intervalMs: 1000, timeoutMs: 1000 } }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      const end = bench.port.control.rehearse({ mode: 'silence' }, { initiator: INITIATOR })
      bench.store.release()
      peer.command(testUnitReady())
      await passTime(bench)
      assert.deepEqual([peer.waiting, peer.closed], [0, false])
      const again = await bench.connect()
      const login = assert.rejects(again.login({ target: TARGET }), /closed/)
      await bench.until(() => bench.port.connections.pending === 1)
      await passTime(bench)
      assert.equal(bench.port.connections.pending, 1)
      end()
      await login
      await peer.end()
      await bench.peer()
      const events = bench
        .of('path-rehearsal')
        .map(({ phase, mode, initiator, connections }) => [phase, mode, initiator, connections])
      assert.deepEqual(events, [
        ['begin', 'silence', INITIATOR, 1],
        ['end', 'silence', INITIATOR, 2],
      ])
    }))

  test('of the whole port meets everybody before login', () =>
    withBench({ limits: { loginTimeoutMs: 800 } }, async bench => {
      const peer = await bench.peer()
      const end = bench.port.control.rehearse({ mode: 'silence' })
      const newcomer = await bench.connect()
      const login = assert.rejects(newcomer.login({ target: TARGET, isid: SECOND }), /closed/)
      peer.command(testUnitReady())
      await new Promise(resolve => setTimeout(resolve, 1300))
      assert.deepEqual([peer.waiting, peer.closed, newcomer.closed], [0, false, false])
      end()
      await Promise.all([peer.end(), login])
    }))
})

describe('deaf', () => {
  test('a session is not read, and goes on where it was when it ends', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const end = bench.port.control.rehearse({ mode: 'deaf' }, { isid: '800000000001', target: TARGET })
      for (let i = 0; i < 3; i++) peer.command(testUnitReady())
      await passTime(bench)
      assert.equal(peer.waiting, 0)
      end()
      for (let i = 0; i < 3; i++)
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, 0)
    }))

  test('a newcomer logs in when it ends', () =>
    withBench({ limits: { loginTimeoutMs: 800 } }, async bench => {
      const end = bench.port.control.rehearse({ mode: 'deaf' })
      const peer = await bench.connect()
      const login = peer.login({ target: TARGET })
      await new Promise(resolve => setTimeout(resolve, 1300))
      assert.equal(peer.waiting, 0)
      end()
      await login
    }))
})

describe('refuse', () => {
  test('sessions and newcomers are reset, others are not', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const other = await bench.peer({ initiator: OTHER, isid: SECOND })
      const end = bench.port.control.rehearse({ mode: 'refuse' }, { initiator: INITIATOR })
      await peer.end()
      await assert.rejects((await bench.connect()).login({ target: TARGET }), /closed/)
      await works(other)
      end()
      await bench.peer()
    }))

  test('a portal is named by its address', () =>
    withBench(
      {
        portals: [
          { host: '127.0.0.1', port: 0 },
          { host: '::1', port: 0 },
        ],
      },
      async bench => {
        const [four, six] = bench.port.portals
        const peer = await bench.peer()
        const end = bench.port.control.rehearse({ mode: 'refuse' }, { portal: `[::1]:${six!.port}` })
        // The reset may come before the connection is known to be there.
        await assert.rejects(async () => (await RawPeer.connect(six!.port, '::1')).receive())
        await works(peer)
        const taken = await RawPeer.connect(four!.port)
        await taken.login({ target: TARGET, isid: SECOND })
        await taken.close()
        end()
        const there = await RawPeer.connect(six!.port, '::1')
        await there.login({ target: TARGET, isid: SECOND })
        await there.close()
      },
    ))
})

describe('delay', () => {
  test('what arrives is looked at later, in its order, and at once when it ends', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const end = bench.port.control.rehearse({ mode: 'delay', delayMs: 30 }, { initiator: INITIATOR })
      const tags = [0, 1, 2].map(() => peer.command(testUnitReady()))
      for (const itt of tags)
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).itt, itt)
      end()
      const slow = bench.port.control.rehearse({ mode: 'delay', delayMs: 60_000 }, { initiator: INITIATOR })
      const late = peer.command(testUnitReady())
      await passTime(bench)
      assert.equal(peer.waiting, 0)
      slow()
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).itt, late)
    }))

  test('a flood waits in the socket, and no more than a bounded part of it here', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const end = bench.port.control.rehearse({ mode: 'delay', delayMs: 60_000 })
      const [session] = (bench.port as IscsiTargetPort).sessions.values()
      const { socket } = session!.anyConnection!
      peer.socket.write(Buffer.alloc(16 * 1024 * 1024, 0xff))
      await bench.until(() => socket.isPaused())
      await passTimeAlone()
      assert.ok(socket.bytesRead < 2 * 1024 * 1024, `${socket.bytesRead} bytes were read`)
      await peer.close()
      end()
      await bench.until(() => bench.port.connections.sessions === 0)
    }))
})

const passTimeAlone = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 50))

test('it ends by itself, and with the port', () =>
  withBench({}, async bench => {
    const peer = await bench.peer()
    bench.port.control.rehearse({ mode: 'deaf', seconds: 0.05 })
    peer.command(testUnitReady())
    await peer.receive(Opcode.scsiResponse)
    assert.equal(bench.of('path-rehearsal').at(-1)!.phase, 'end')
    bench.port.control.rehearse({ mode: 'silence' })
    await bench.port.stop(1000)
    await peer.end()
    assert.deepEqual(
      bench.of('path-rehearsal').map(({ phase }) => phase),
      ['begin', 'end', 'begin', 'end'],
    )
  }))

test('what makes no sense is refused', () =>
  withBench({}, async ({ port: { control } }) => {
    for (const options of [
      { mode: 'noise' as never },
      { mode: 'delay' },
      { mode: 'delay', delayMs: 0 },
      { mode: 'delay', delayMs: 60_001 },
      { mode: 'deaf', seconds: 0 },
      { mode: 'deaf', seconds: Number.NaN },
    ] as const) {
      assert.throws(() => control.rehearse(options), OperatorError)
    }
  }))

test('a connection that is just being closed is reset without being lost open', () =>
  withBench({}, async bench => {
    await bench.peer()
    const port = bench.port as unknown as IscsiTargetPort
    const connection = [...port.sessions.values()][0]!.anyConnection!
    const { socket } = connection
    let closed = false
    socket.once('close', () => {
      closed = true
    })
    // The shutdown is under way when the reset comes.
    socket.end()
    resetConnection(connection)
    await bench.until(() => closed)
  }))
