// SPDX-License-Identifier: Apache-2.0
// Secrets: as many bits as were asked for, in characters that every initiator takes, and none twice.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeSecret } from './make-secret.ts'

// Requirement: RFC 7143, 9.2.1/3.
test('a secret has its bits, and all of them vary', () => {
  for (const [bits, characters] of [
    [128, 22],
    [96, 16],
  ] as const) {
    const seen = new Set<string>()
    const zeros = Buffer.alloc(bits / 8, 0xff)
    const ones = Buffer.alloc(bits / 8)
    for (let i = 0; i < 200; i++) {
      const secret = makeSecret(bits)
      assert.match(secret, /^[A-Za-z0-9_-]+$/)
      assert.equal(secret.length, characters)
      const bytes = Buffer.from(secret, 'base64url')
      assert.equal(bytes.length, bits / 8)
      for (const [at, byte] of bytes.entries()) {
        zeros[at]! &= byte
        ones[at]! |= byte
      }
      seen.add(secret)
    }
    assert.equal(seen.size, 200)
    // Each bit has been 0 in one secret and 1 in another.
    assert.deepEqual([zeros, ones], [Buffer.alloc(bits / 8), Buffer.alloc(bits / 8, 0xff)])
  }
})

// Requirement: RFC 7143, 9.2.1/3.
test('the command prints one, and takes no other number of bits', () => {
  const main = join(import.meta.dirname, 'main.ts')
  const run = (...words: string[]): string =>
    execFileSync(process.execPath, [main, 'secret', ...words], { encoding: 'utf8', stdio: 'pipe' })
  assert.match(run(), /^[\w-]{22}\n$/)
  assert.match(run('--bits', '96'), /^[\w-]{16}\n$/)
  assert.throws(() => run('--bits', '40'), /is no value for --bits/)
})
