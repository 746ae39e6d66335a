// SPDX-License-Identifier: Apache-2.0
// Made-up TCP: addresses of both kinds, numbers that follow each other, checksums that come out as zero.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sumOf, sumOfAll, TcpFlag, TcpFlow } from './tcp-flow.ts'

const fold = (sum: number): number => {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000)
  return folded
}

/** A packet with its payload, checked as a receiver does. */
function packet(flow: TcpFlow, inbound: boolean, flags: number, payload = Buffer.alloc(0)): Buffer {
  const into = Buffer.alloc(200)
  const at = flow.write(into, 0, inbound, flags, payload.length, sumOf(payload))
  payload.copy(into, at)
  const whole = into.subarray(0, at + payload.length)
  const isV6 = whole[0]! >> 4 === 6
  const tcpAt = isV6 ? 40 : 20
  if (!isV6) {
    assert.equal(fold(sumOf(whole.subarray(0, 20))), 0xffff, 'checksum of IPv4')
    assert.equal(whole.readUInt16BE(2), whole.length)
  } else assert.equal(whole.readUInt16BE(4), whole.length - 40)
  const addresses = isV6 ? whole.subarray(8, 40) : whole.subarray(12, 20)
  const pseudo = sumOf(addresses) + 6 + whole.length - tcpAt
  assert.equal(fold(pseudo + sumOf(whole.subarray(tcpAt))), 0xffff, 'checksum of TCP')
  return whole
}

test('numbers follow each other in both directions', () => {
  const flow = new TcpFlow({ host: '10.0.0.1', port: 1000 }, { host: '10.0.0.2', port: 3260 }, 0xffff_fff0)
  const numbers = (whole: Buffer) => [whole.readUInt32BE(24), whole.readUInt32BE(28)]
  assert.deepEqual(numbers(packet(flow, true, TcpFlag.syn)), [0xffff_fff0, 0])
  assert.deepEqual(numbers(packet(flow, false, TcpFlag.syn | TcpFlag.ack)), [0xffff_fff0, 0xffff_fff1])
  assert.deepEqual(numbers(packet(flow, true, TcpFlag.ack, Buffer.alloc(48, 7))), [0xffff_fff1, 0xffff_fff1])
  const answer = packet(flow, false, TcpFlag.ack | TcpFlag.push, Buffer.from('odd'))
  assert.deepEqual(numbers(answer), [0xffff_fff1, 0x21])
  assert.equal(answer.readUInt16BE(20), 3260)
  assert.equal(answer.readUInt16BE(22), 1000)
  assert.deepEqual([...answer.subarray(12, 20)], [10, 0, 0, 2, 10, 0, 0, 1])
})

for (const [text, hex] of [
  ['::1', '00000000000000000000000000000001'],
  ['fe80::a:b%eth0', 'fe8000000000000000000000000a000b'],
  ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
  ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
  ['::', '0'.repeat(32)],
] as const) {
  test(`IPv6 address ${text}`, () => {
    const flow = new TcpFlow({ host: text, port: 1 }, { host: '::2', port: 2 }, 5)
    const whole = packet(flow, true, TcpFlag.ack, Buffer.from('data'))
    assert.equal(whole.subarray(8, 24).toString('hex'), hex)
    assert.equal(flow.headerLength, 60)
  })
}

test('addresses that are not known are zeros', () => {
  const flow = new TcpFlow({ host: '', port: 0 }, { host: '', port: 3260 }, 0)
  assert.deepEqual([...packet(flow, true, TcpFlag.ack).subarray(12, 20)], new Array(8).fill(0))
})

test('the sum over slices is that over the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 9 }), slices => {
      assert.equal(fold(sumOfAll(slices)), fold(sumOf(Buffer.concat(slices))))
    }),
  )
})
