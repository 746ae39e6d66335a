// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 6.4, 11.10, 11.11, 13.3, 13.8 and appendix C: text requests, and SendTargets.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATA_IN, Opcode, parseText, RESERVED_TAG, RejectReason } from '@lunkit/spec'
import { type IscsiBench, TARGET, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer, text } from '../../kit/raw-peer.ts'
import { ping, read, rejected, sendText, textRound } from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

async function discovery(bench: IscsiBench): Promise<RawPeer> {
  const peer = await bench.connect()
  await peer.login()
  return peer
}

/** Pairs of one answer in their order, as `key=value`. */
async function pairs(peer: RawPeer, value: string): Promise<string[]> {
  const { pdu } = await textRound(peer, { SendTargets: value })
  const parsed = parseText(pdu.data)
  assert.ok(parsed.ok)
  return parsed.pairs.map(pair => `${pair.key}=${pair.value}`)
}

const addressOf = (bench: IscsiBench): string => `TargetAddress=127.0.0.1:${bench.port.portals[0]!.port},1`

describe('text exchanges', () => {
  // Requirement: RFC 7143, 11.11/1 and 11.11/2 and 11.11/4.
  test('F=1 answers F=1 and has no transfer tag; F=0 has one', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const open = await textRound(peer, { InitiatorAlias: 'one' }, { final: 0, itt: 0x31 })
      assert.deepEqual([open.final, open.itt], [0, 0x31])
      assert.notEqual(open.ttt, RESERVED_TAG)
      const last = await textRound(peer, {}, { itt: 0x31, ttt: open.ttt })
      assert.deepEqual([last.final, last.ttt, last.itt], [1, RESERVED_TAG, 0x31])
    }))

  // Requirement: RFC 7143, 11.11/3 and 11.11/5 and 6.2/13.
  test('an answer that is longer than the initiator takes comes in pieces with C=1', () =>
    withBench({}, async bench => {
      for (let i = 0; i < 20; i++) bench.engine.addTarget({ name: `${TARGET}.${i}.${'x'.repeat(60)}` })
      const peer = await bench.connect()
      await peer.login({ keys: { MaxRecvDataSegmentLength: '512' } })
      let answer = await textRound(peer, { SendTargets: 'All' })
      const parts = [answer.pdu.data]
      while (answer.continue === 1) {
        assert.equal(answer.final, 0)
        assert.notEqual(answer.ttt, RESERVED_TAG)
        answer = await round(peer, answer.ttt)
        parts.push(answer.pdu.data)
      }
      assert.equal(answer.final, 1)
      assert.ok(parts.length > 3)
      for (const part of parts) assert.ok(part.length <= 512)
      const parsed = parseText(Buffer.concat(parts))
      assert.ok(parsed.ok)
      assert.equal(parsed.pairs.filter(({ key }) => key === 'TargetName').length, 21)
    }))

  // Requirement: RFC 7143, 6.2/9 and 6.2/10.
  test('a request with C=1 is answered by nothing; with F as well it is rejected', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const whole = text({ SendTargets: '' })
      const first = await textRound(peer, whole.subarray(0, 5), { final: 0, continue: 1 })
      assert.deepEqual([first.final, first.pdu.data.length], [0, 0])
      const last = await textRound(peer, whole.subarray(5), { ttt: first.ttt })
      assert.equal(last.keys['TargetName'], TARGET)
      sendText(peer, { continue: 1 }, whole)
      await rejected(peer, RejectReason.protocolError)
    }))

  // Requirement: RFC 7143, 6.4/1.
  test('a key that comes twice is rejected as a protocol error, and the session lives', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const twice = Buffer.concat([
        text({ MaxRecvDataSegmentLength: '512' }),
        text({ MaxRecvDataSegmentLength: '1024' }),
      ])
      sendText(peer, {}, twice)
      await rejected(peer, RejectReason.protocolError)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 6.4/2.
  test('a request that begins anew takes the place of an exchange that was not ended', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const open = await textRound(peer, { InitiatorAlias: 'one' }, { final: 0 })
      assert.equal((await textRound(peer, { SendTargets: '' })).keys['TargetName'], TARGET)
      sendText(peer, { ttt: open.ttt })
      await rejected(peer, RejectReason.protocolError)
    }))

  // Requirement: RFC 7143, 6.4/3 and 7.12/1.
  test('keys of login are refused, and what was agreed on stays', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxBurstLength: '1024' } })
      assert.equal((await textRound(peer, { MaxBurstLength: '512' })).keys['MaxBurstLength'], 'Reject')
      read(peer, 0, 4)
      const pdu = await peer.receive(Opcode.dataIn)
      assert.deepEqual([pdu.data.length, fieldsOf(DATA_IN, pdu).final], [1024, 1])
    }))

  // Requirement: RFC 7143, 6.4/4.
  test('a new MaxRecvDataSegmentLength holds when the exchange is over, not before', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const open = await textRound(peer, { MaxRecvDataSegmentLength: '512' }, { final: 0 })
      read(peer, 0, 2)
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, 1024)
      await round(peer, open.ttt)
      read(peer, 0, 2)
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, 512)
    }))

  // Requirement: RFC 7143, 6.4/4.
  test('an exchange that is given up leaves everything as it was', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      await textRound(peer, { MaxRecvDataSegmentLength: '512' }, { final: 0 })
      await textRound(peer, { SendTargets: '' })
      read(peer, 0, 2)
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, 1024)
    }))

  // Requirement: RFC 7143, 6.4/5.
  test('with F=1 there is nothing in the response that the initiator has to answer', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const { final, keys } = await textRound(peer, { MaxRecvDataSegmentLength: '512', InitiatorAlias: 'a' })
      assert.equal(final, 1)
      assert.deepEqual(keys, {})
    }))

  // Requirement: RFC 7143, 11.10/1 and 11.10/2.
  test('a transfer tag of no exchange and the reserved task tag are rejected', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      sendText(peer, { ttt: 0x777 })
      await rejected(peer, RejectReason.protocolError)
      sendText(peer, { itt: RESERVED_TAG }, { SendTargets: '' })
      await rejected(peer, RejectReason.invalidPduField)
      await ping(peer)
    }))
})

describe('an exchange that goes on', () => {
  // Requirement: RFC 7143, 11.11/6.
  test('its responses have a transfer tag and a LUN, which the next request has as well', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const open = await textRound(peer, { InitiatorAlias: 'one' }, { final: 0 })
      assert.deepEqual(Buffer.from(open.lun), Buffer.alloc(8))
      const next = await textRound(
        peer,
        { InitiatorAlias: 'one' },
        { final: 0, ttt: open.ttt, lun: open.lun },
      )
      assert.notEqual(next.ttt, RESERVED_TAG)
      assert.equal((await textRound(peer, {}, { ttt: next.ttt, lun: next.lun })).ttt, RESERVED_TAG)
    }))

  // Requirement: RFC 7143, 11.10/4.
  test('belongs to its connection, and ends with it', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, { ErrorRecoveryLevel: '2' })
      const second = await session.join(2)
      first.cmdSn = second.cmdSn = session.cmdSn
      const open = await textRound(first, { MaxRecvDataSegmentLength: '512' }, { final: 0 })
      sendText(second, { ttt: open.ttt })
      await rejected(second, RejectReason.protocolError)
      await first.close()
      const again = await session.join(1)
      again.cmdSn = session.cmdSn
      sendText(again, { ttt: open.ttt })
      await rejected(again, RejectReason.protocolError)
      read(session.next(again), 0, 2)
      assert.equal((await again.receive(Opcode.dataIn)).data.length, 1024)
    }))
})

const round = (peer: RawPeer, ttt: number): ReturnType<typeof textRound> => textRound(peer, {}, { ttt })

describe('SendTargets', () => {
  // Requirement: RFC 7143, C/1 and C/2 and C/5 and 13.3/1 and 13.8/3.
  test('All in a discovery session: every target with its addresses and portal group', () =>
    withBench({}, async bench => {
      bench.engine.addTarget({ name: `${TARGET}.two` })
      const peer = await discovery(bench)
      const address = addressOf(bench)
      assert.deepEqual(await pairs(peer, 'All'), [
        `TargetName=${TARGET}`,
        address,
        `TargetName=${TARGET}.two`,
        address,
      ])
    }))

  // Requirement: RFC 7143, C/3.
  test('one by its name, or an empty answer', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      assert.deepEqual(await pairs(peer, TARGET), [`TargetName=${TARGET}`, addressOf(bench)])
      assert.deepEqual(await pairs(peer, `${TARGET}.none`), [])
    }))

  // Requirement: RFC 7143, C/4 and 13.3/2.
  test('in a normal session: its own target, by nothing or by name, and never All', () =>
    withBench({}, async bench => {
      bench.engine.addTarget({ name: `${TARGET}.two` })
      const peer = await bench.peer()
      const own = [`TargetName=${TARGET}`, addressOf(bench)]
      assert.deepEqual(await pairs(peer, ''), own)
      assert.deepEqual(await pairs(peer, TARGET), own)
      assert.deepEqual(await pairs(peer, `${TARGET}.two`), [])
      assert.ok(!(await pairs(peer, 'All')).some(pair => pair.startsWith('TargetName')))
    }))

  // Requirement: RFC 7143, C/2.
  test('a target that the initiator may not use is not told', () =>
    withBench({ access: { [TARGET]: { initiators: ['iqn.2026-11.test.lunkit:other'] } } }, async bench => {
      assert.deepEqual(await pairs(await discovery(bench), 'All'), [])
    }))

  // Requirement: RFC 7143, 13.8/1 and 13.8/3.
  test('an IPv6 address stands in brackets', () =>
    withBench(
      {
        portals: [
          { host: '127.0.0.1', port: 0 },
          { host: '::1', port: 0 },
        ],
      },
      async bench => {
        const found = await pairs(await discovery(bench), 'All')
        assert.ok(found.includes(`TargetAddress=[::1]:${bench.port.portals[1]!.port},1`), `${found}`)
      },
    ))
})
