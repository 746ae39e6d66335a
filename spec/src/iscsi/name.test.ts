// SPDX-License-Identifier: Apache-2.0
// iSCSI names: the three formats, their normal form, and what is not a name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseIscsiName } from './name.ts'

const named = (text: string, lenient = false): string => {
  const result = parseIscsiName(text, lenient)
  assert.ok(result.ok, result.ok ? '' : `${text}: ${result.cause}`)
  return `${result.format} ${result.name}`
}
const refused = (text: string, lenient = false): string => {
  const result = parseIscsiName(text, lenient)
  assert.ok(!result.ok, text)
  return result.cause
}

test('names of the three formats are taken', () => {
  assert.equal(named('iqn.2001-04.com.example'), 'iqn iqn.2001-04.com.example')
  assert.equal(
    named('iqn.2001-04.com.example:storage:diskarrays-sn-a8675309'),
    'iqn iqn.2001-04.com.example:storage:diskarrays-sn-a8675309',
  )
  assert.equal(named('eui.02004567A425678D'), 'eui eui.02004567a425678d')
  assert.equal(named('naa.52004567BA64678D'), 'naa naa.52004567ba64678d')
  assert.equal(named(`naa.${'6'.repeat(32)}`), `naa naa.${'6'.repeat(32)}`)
})

// Requirement: RFC 7143, 4.2.7.2/1.
test('the normal form is lower case and Unicode form KC', () => {
  assert.equal(named('IQN.2026-11.org.Example:Disk'), 'iqn iqn.2026-11.org.example:disk')
  assert.equal(named('iqn.2026-11.org.example:Ｄisk'), 'iqn iqn.2026-11.org.example:disk')
  assert.equal(named('iqn.2026-11.org.example:a\u0308'), 'iqn iqn.2026-11.org.example:\u00e4')
})

// Requirement: RFC 7143, 4.2.7.2/1 and 4.2.7.4/1.
test('other texts are refused with a cause', () => {
  assert.match(refused('disk'), /does not begin/)
  assert.match(refused(''), /does not begin/)
  assert.match(refused('iqn.2026-13.org.example'), /year and month/)
  assert.match(refused('iqn.26-11.org.example'), /year and month/)
  assert.match(refused('iqn.2026-11.'), /year and month/)
  assert.match(refused('iqn.2026-11.:x'), /year and month/)
  assert.match(refused('eui.02004567A425678'), /16 hexadecimal/)
  assert.match(refused('eui.02004567A425678G'), /16 hexadecimal/)
  assert.match(refused('naa.52004567BA64678'), /16 or 32/)
  for (const sign of ['_', ' ', '/', ',', '\n', '\u3002', '\u200b', '\u00a0', '=']) {
    assert.match(refused(`iqn.2026-11.org.example:a${sign}b`), /character other than/, JSON.stringify(sign))
  }
})

test('a lenient reader takes the signs that peers send, but none that ends a name', () => {
  assert.equal(named('iqn.2026-11.org.example:my_disk/1', true), 'iqn iqn.2026-11.org.example:my_disk/1')
  for (const sign of [' ', ',', ';', '\n', '\0', '"', '=', '\u200b', '\u2028']) {
    assert.match(
      refused(`iqn.2026-11.org.example:a${sign}b`, true),
      /character other than/,
      JSON.stringify(sign),
    )
  }
})

// Requirement: RFC 7143, 4.2.7.2/1.
test('223 bytes are the most, counted in UTF-8 and after normalisation', () => {
  const head = 'iqn.2026-11.org.example:'
  assert.ok(named(head + 'a'.repeat(223 - head.length)))
  assert.match(refused(head + 'a'.repeat(224 - head.length)), /longer than 223/)
  assert.match(refused(head + '\u00e4'.repeat(110)), /longer than 223/)
  // One character that the compatibility form makes eighteen.
  assert.match(refused(head + '\ufdfa'.repeat(40)), /longer than 223/)
})

test('the normal form is its own normal form, and any text gets an answer', () => {
  const near = fc.string({ unit: fc.constantFrom(...'iqn.2026-11:eua_ \u00c4\ufdfa\ud800'), maxLength: 60 })
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    near,
    near.map(end => `iqn.2026-11.a${end}`),
  )
  fc.assert(
    fc.property(text, fc.boolean(), (name, lenient) => {
      const result = parseIscsiName(name, lenient)
      if (!result.ok) assert.ok(result.cause.length > 0)
      else assert.deepEqual(parseIscsiName(result.name, lenient), result)
    }),
    { numRuns: 1000 },
  )
})
