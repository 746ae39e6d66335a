// SPDX-License-Identifier: Apache-2.0
// Text data segments: what is read, what is refused, and that no bytes at all can make the reader throw.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  encodeText,
  parseText,
  type TextErrorKind,
  type TextPair,
  type TextResult,
  textErrorText,
} from './text.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const read = (text: string): TextResult => parseText(utf8(text))

function pairs(text: string): readonly TextPair[] {
  const result = read(text)
  assert.ok(result.ok)
  return result.pairs
}

function refused(bytes: Uint8Array | string, kind: TextErrorKind, at: number, key: string): void {
  const result = parseText(typeof bytes === 'string' ? utf8(bytes) : bytes)
  assert.ok(!result.ok)
  assert.deepEqual(result.error, { kind, at, key })
  assert.match(textErrorText(result.error), /^Text /)
}

test('pairs come in their order', () => {
  assert.deepEqual(
    read('InitiatorName=iqn.2026-11.org.example:a\0SessionType=Normal\0HeaderDigest=CRC32C,None\0'),
    {
      ok: true,
      pairs: [
        { key: 'InitiatorName', value: 'iqn.2026-11.org.example:a' },
        { key: 'SessionType', value: 'Normal' },
        { key: 'HeaderDigest', value: 'CRC32C,None' },
      ],
      duplicates: [],
      terminated: true,
    },
  )
})

test('a value may be empty and may hold equals signs, spaces and letters of any language', () => {
  assert.deepEqual(pairs('SendTargets=\0'), [{ key: 'SendTargets', value: '' }])
  assert.deepEqual(pairs('CHAP_N=a=b==\0'), [{ key: 'CHAP_N', value: 'a=b==' }])
  assert.deepEqual(pairs('TargetAlias=Plattenschränke Ω 7\0'), [
    { key: 'TargetAlias', value: 'Plattenschränke Ω 7' },
  ])
})

test('an empty text, padding and a missing last zero byte are taken', () => {
  assert.deepEqual(read(''), { ok: true, pairs: [], duplicates: [], terminated: true })
  assert.deepEqual(pairs('\0\0'), [])
  assert.deepEqual(pairs('SendTargets=All\0\0\0'), [{ key: 'SendTargets', value: 'All' }])
  const open = read('SendTargets=All')
  assert.ok(open.ok)
  assert.equal(open.terminated, false)
  assert.deepEqual(open.pairs, [{ key: 'SendTargets', value: 'All' }])
})

test('only the given range is read', () => {
  const bytes = utf8('xx=y\0DataDigest=None\0zz=1')
  const result = parseText(bytes, 5, 20)
  assert.ok(result.ok)
  assert.deepEqual(result.pairs, [{ key: 'DataDigest', value: 'None' }])
  const cut = parseText(bytes, 5, 15)
  assert.ok(!cut.ok)
  assert.equal(cut.error.kind, 'no-equals')
})

test('keys that come twice are reported unless they may', () => {
  const twice = read('ImmediateData=Yes\0MaxBurstLength=512\0ImmediateData=No\0ImmediateData=No\0')
  assert.ok(twice.ok)
  assert.deepEqual(twice.duplicates, ['ImmediateData'])
  assert.equal(twice.pairs.length, 4)
  const targets = read('TargetName=iqn.a\0TargetAddress=h,1\0TargetAddress=i,1\0TargetName=iqn.b\0')
  assert.ok(targets.ok)
  assert.deepEqual(targets.duplicates, [])
})

test('broken pairs are refused with their place', () => {
  refused('A=1\0NoEquals\0', 'no-equals', 4, 'NoEquals')
  refused('A=1\0=2\0', 'empty-key', 4, '')
  refused('a b=1\0', 'illegal-key', 0, '')
  refused('1a=1\0', 'illegal-key', 0, '')
  refused('A\u00e4=1\0', 'illegal-key', 0, '')
  refused('X-=1\0', 'illegal-key', 0, '')
  refused(`${'K'.repeat(64)}=1\0`, 'long-key', 0, '')
  refused(`${'K'.repeat(64)}\0`, 'no-equals', 0, '')
  refused('CHAP_N=a\nb\0', 'illegal-value', 0, 'CHAP_N')
  refused('CHAP_N=a\u007f\0', 'illegal-value', 0, 'CHAP_N')
  refused('CHAP_N=a\u009b31m\0', 'illegal-value', 0, 'CHAP_N')
  refused(Uint8Array.of(0x41, 0x3d, 0xc3, 0x28, 0), 'illegal-value', 0, 'A')
  refused(Uint8Array.of(0x41, 0x3d, 0xed, 0xa0, 0x80, 0), 'illegal-value', 0, 'A')
})

test('lengths are held at their limits', () => {
  assert.equal(pairs(`${'K'.repeat(63)}=1\0`).length, 1)
  assert.equal(pairs(`Unknown=${'v'.repeat(8192)}\0`).length, 1)
  refused(`Unknown=${'v'.repeat(8193)}\0`, 'long-value', 0, 'Unknown')
  assert.equal(pairs(`CHAP_N=${'v'.repeat(255)}\0`).length, 1)
  refused(`CHAP_N=${'v'.repeat(256)}\0`, 'long-value', 0, 'CHAP_N')
  refused(`TargetAlias=${'\u00e4'.repeat(128)}\0`, 'long-value', 0, 'TargetAlias')
  assert.equal(pairs(`TargetName=${'v'.repeat(223)}\0`).length, 1)
  refused(`TargetName=${'v'.repeat(224)}\0`, 'long-value', 0, 'TargetName')
  assert.equal(pairs(`CHAP_C=0x${'00'.repeat(1024)}\0`).length, 1)
  assert.equal(pairs(`AuthMethod=${'v'.repeat(255)},${'w'.repeat(255)}\0`).length, 1)
  refused(`AuthMethod=CHAP,${'v'.repeat(256)}\0`, 'long-value', 0, 'AuthMethod')
})

test('the size of a text and the number of its pairs are bounded', () => {
  const many = utf8('A=1\0'.repeat(1025))
  const result = parseText(many)
  assert.ok(!result.ok)
  assert.deepEqual(result.error, { kind: 'too-many-pairs', at: 4096, key: '' })
  assert.ok(parseText(many, 0, many.length, { bytes: 8192, pairs: 1025 }).ok)
  refused(new Uint8Array(65_537), 'too-long', 0, '')
  assert.ok(parseText(new Uint8Array(65_536)).ok)
})

test('what is written is what is read', () => {
  const key = fc.stringMatching(/^[A-Z][A-Za-z0-9.+@_-]{0,40}$/).filter(name => !/^X[-]$/.test(name))
  const value = fc.string({ unit: 'grapheme', maxLength: 60 }).filter(text => !/[\p{Cc}\p{Cs}]/u.test(text))
  fc.assert(
    fc.property(
      fc.array(fc.record({ key, value }, { noNullPrototype: true }), { maxLength: 20 }),
      written => {
        const result = parseText(encodeText(written))
        assert.ok(result.ok)
        assert.deepEqual(result.pairs, written)
        assert.ok(result.terminated)
      },
    ),
  )
})

test('no bytes make the reader throw or return what it must not', () => {
  const near = fc.array(fc.constantFrom(...utf8('A=\0X-#é\n0CHAP_NTargetName,~'), 0xff), { maxLength: 300 })
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    near.map(list => Uint8Array.from(list)),
  )
  fc.assert(
    fc.property(any, fc.nat(310), fc.nat(310), (bytes, from, to) => {
      const result = parseText(bytes, from, to)
      if (!result.ok) {
        assert.match(textErrorText(result.error), /^Text [ -~]*$/)
        return
      }
      for (const pair of result.pairs) {
        assert.match(pair.key, /^[A-Za-z][A-Za-z0-9.+@_#-]{0,62}$/)
        assert.doesNotMatch(pair.value, /\p{Cc}/u)
      }
      assert.deepEqual(parseText(encodeText(result.pairs)), { ...result, terminated: true })
    }),
    { numRuns: 2000 },
  )
})

test('pairs that would read as others are not written', () => {
  for (const key of ['', 'a b', 'A=B', 'A\0B', 'K'.repeat(64), 'X-']) {
    assert.throws(() => encodeText([{ key, value: '' }]), TypeError, key)
  }
  assert.throws(() => encodeText([{ key: 'CHAP_N', value: 'a\0CHAP_R=0x00' }]), TypeError)
})
