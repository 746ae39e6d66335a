// SPDX-License-Identifier: Apache-2.0
// Text requests over a real socket: SendTargets in all its forms, long texts, and sizes declared anew.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  encodeText,
  Opcode,
  parseText,
  REJECT,
  RESERVED_TAG,
  TEXT_REQUEST,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import { type IscsiBench, read10, TARGET, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, keysOf, type RawPdu, type RawPeer, text } from '@lunkit/testing/kit/raw-peer.ts'

interface Ask {
  readonly final?: number
  readonly continue?: number
  readonly ttt?: number
  readonly itt?: number
}

async function ask(peer: RawPeer, data: Buffer, more: Ask = {}): Promise<RawPdu> {
  const fields = { opcode: Opcode.textRequest, final: 1, itt: 50, ttt: RESERVED_TAG, cmdSn: peer.cmdSn++ }
  peer.sendPdu(TEXT_REQUEST, { ...fields, ...more }, data)
  const pdu = await peer.receive()
  if (pdu.opcode === Opcode.reject) peer.cmdSn = fieldsOf(REJECT, pdu).expCmdSn
  return pdu
}

/** TargetName and TargetAddress as they came. */
function listOf(pdu: RawPdu): string[] {
  const { final, ttt } = fieldsOf(TEXT_RESPONSE, pdu)
  assert.deepEqual([pdu.opcode, final, ttt], [Opcode.textResponse, 1, RESERVED_TAG])
  const parsed = parseText(pdu.data)
  assert.ok(parsed.ok)
  return parsed.pairs.map(({ key, value }) => `${key}=${value}`)
}

const here = (bench: IscsiBench): string[] => [
  `TargetName=${TARGET}`,
  `TargetAddress=127.0.0.1:${bench.port.portals[0]!.port},1`,
]

async function discovery(bench: IscsiBench): Promise<RawPeer> {
  const peer = await bench.connect()
  await peer.login()
  return peer
}

describe('SendTargets', () => {
  test('in a discovery session: all, one by name, none', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: 'All' }))), here(bench))
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: TARGET }))), here(bench))
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: 'iqn.2026-11.test.lunkit:no' }))), [])
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: '' }))), ['SendTargets=Reject'])
      assert.equal(bench.of('session-opened')[0]!.kind, 'discovery')
    }))

  test('in a normal session: its own target only', () =>
    withBench({}, async bench => {
      bench.engine.addTarget({ name: 'iqn.2026-11.test.lunkit:second' })
      const peer = await bench.peer()
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: '' }))), here(bench))
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: TARGET }))), here(bench))
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: 'All' }))), ['SendTargets=Reject'])
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: 'iqn.2026-11.test.lunkit:second' }))), [])
    }))

  test('a target is hidden from initiators that may not use it', () =>
    withBench({ access: { [TARGET]: { initiators: ['iqn.2026-11.test.lunkit:other'] } } }, async bench => {
      const peer = await discovery(bench)
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: 'All' }))), [])
      assert.deepEqual(listOf(await ask(peer, text({ SendTargets: TARGET }))), [])
    }))

  test('a list that is longer than a PDU comes in pieces', () =>
    withBench({}, async bench => {
      const names = Array.from({ length: 300 }, (_, i) => `iqn.2026-11.test.lunkit:many-${i}`)
      for (const name of names) bench.engine.addTarget({ name })
      const peer = await discovery(bench)
      const parts: Buffer[] = []
      let pdu = await ask(peer, text({ SendTargets: 'All' }))
      while (fieldsOf(TEXT_RESPONSE, pdu).continue === 1) {
        const { final, ttt } = fieldsOf(TEXT_RESPONSE, pdu)
        assert.equal(final, 0)
        assert.notEqual(ttt, RESERVED_TAG)
        assert.ok(pdu.data.length <= 8192)
        parts.push(pdu.data)
        pdu = await ask(peer, Buffer.alloc(0), { ttt })
      }
      parts.push(pdu.data)
      assert.ok(parts.length > 2)
      const parsed = parseText(Buffer.concat(parts), 0, undefined, { bytes: 2 ** 20, pairs: 5000 })
      assert.ok(parsed.ok)
      assert.deepEqual(
        parsed.pairs.filter(({ key }) => key === 'TargetName').map(({ value }) => value),
        [TARGET, ...names],
      )
    }))
})

describe('text', () => {
  test('the size that the initiator takes can be declared anew', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      assert.deepEqual(listOf(await ask(peer, text({ MaxRecvDataSegmentLength: '512' }))), [])
      peer.command(read10(0, 2), { read: 1, expectedDataTransferLength: 1024 })
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, 512)
      assert.equal(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).bufferOffset, 512)
      assert.deepEqual(listOf(await ask(peer, text({ MaxRecvDataSegmentLength: '65536' }))), [])
    }))

  test('keys that are settled at login are refused, unknown ones not understood', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const keys = keysOf(
        await ask(peer, text({ MaxBurstLength: '512', 'X-odd': '1', HeaderDigest: 'CRC32C' })),
      )
      assert.deepEqual(keys, {
        'X-odd': 'NotUnderstood',
        MaxBurstLength: 'Reject',
        HeaderDigest: 'Reject',
      })
    }))

  test('a text over several requests', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      const whole = text({ SendTargets: 'All' })
      const first = fieldsOf(TEXT_RESPONSE, await ask(peer, whole.subarray(0, 5), { final: 0, continue: 1 }))
      assert.deepEqual([first.final, first.continue], [0, 0])
      assert.deepEqual(listOf(await ask(peer, whole.subarray(5), { ttt: first.ttt })), here(bench))
    }))

  test('an initiator that is not at its end gets no end', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      const first = fieldsOf(TEXT_RESPONSE, await ask(peer, text({ SendTargets: 'All' }), { final: 0 }))
      assert.equal(first.final, 0)
      const last = fieldsOf(TEXT_RESPONSE, await ask(peer, Buffer.alloc(0), { ttt: first.ttt }))
      assert.equal(last.final, 1)
    }))

  const wrongs: [what: string, data: Buffer, more: Ask][] = [
    ['broken text', Buffer.from('no equals sign\0'), {}],
    ['F and C', text({ SendTargets: 'All' }), { continue: 1 }],
    ['a transfer tag that was never given', text({ SendTargets: 'All' }), { ttt: 1 }],
    ['the reserved tag', text({ SendTargets: 'All' }), { itt: RESERVED_TAG }],
    ['an illegal size', text({ MaxRecvDataSegmentLength: '1' }), {}],
    [
      'a key twice',
      Buffer.from(
        encodeText([
          { key: 'InitiatorAlias', value: 'a' },
          { key: 'InitiatorAlias', value: 'b' },
        ]),
      ),
      {},
    ],
  ]
  for (const [what, data, more] of wrongs) {
    test(`${what} is rejected, and the session lives`, () =>
      withBench({}, async bench => {
        const peer = await discovery(bench)
        const pdu = await ask(peer, data, more)
        assert.equal(pdu.opcode, Opcode.reject)
        assert.notEqual(fieldsOf(REJECT, pdu).reason, 0)
        assert.deepEqual(listOf(await ask(peer, text({ SendTargets: 'All' }))), here(bench))
      }))
  }

  test('a text without end is rejected', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      let pdu = await ask(peer, Buffer.alloc(8192, 0x41), { final: 0, continue: 1 })
      for (let i = 0; pdu.opcode === Opcode.textResponse; i++) {
        assert.ok(i < 20)
        pdu = await ask(peer, Buffer.alloc(8192, 0x41), {
          final: 0,
          continue: 1,
          ttt: fieldsOf(TEXT_RESPONSE, pdu).ttt,
        })
      }
      assert.equal(pdu.opcode, Opcode.reject)
    }))

  test('a discovery session takes no SCSI command', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      assert.equal((await peer.receive()).opcode, Opcode.reject)
    }))
})
