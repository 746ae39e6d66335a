// SPDX-License-Identifier: Apache-2.0
// Options: what is refused before anything listens, and what is only warned of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError } from '@lunkit/target-api'
import { DEFAULT_LIMITS, type IscsiOptions, settle } from './options.ts'

const portals = [{ host: '127.0.0.1', port: 0 }]
const long = 'a secret that is long'

function code(options: Partial<IscsiOptions>): string {
  try {
    settle({ portals, ...options }, () => undefined)
    return ''
  } catch (error) {
    assert.ok(error instanceof OperatorError)
    return error.code
  }
}

test('defaults are filled in', () => {
  const settings = settle({ portals, limits: { maxBurst: 2 ** 23 } }, () => undefined)
  assert.deepEqual(settings.limits, { ...DEFAULT_LIMITS, maxBurst: 2 ** 23, sessionBytes: 2 ** 26 })
  assert.equal(settings.tpgt, 1)
})

test('what cannot be is refused', () => {
  assert.equal(code({ portals: [] }), 'PORTAL_MISSING')
  assert.equal(code({ portals: [{ host: '', port: 70_000 }] }), 'LIMIT_VALUE')
  assert.equal(code({ tpgt: 0 }), 'LIMIT_VALUE')
  for (const advertise of [{ host: '0.0.0.0' }, { host: 'fe80::1%eth0' }, { host: 'a b' }, { host: '' }])
    assert.equal(code({ portals: [{ host: '127.0.0.1', port: 0, advertise }] }), 'ADDRESS')
  const wrongPort = { host: 'disk.example', port: 70_000 }
  assert.equal(code({ portals: [{ host: '', port: 0, advertise: wrongPort }] }), 'LIMIT_VALUE')
  assert.equal(code({ trustedAddresses: ['localhost'] }), 'ADDRESS')
  assert.equal(code({ limits: { connectionsPerAddress: 0 } }), 'LIMIT_VALUE')
  assert.equal(code({ limits: { loginsPerSecond: -1 } }), 'LIMIT_VALUE')
  assert.equal(code({ limits: { textBytes: 10 } }), 'LIMIT_VALUE')
  assert.equal(code({ limits: { sessionBytes: 1000 } }), 'LIMIT_VALUE')
  assert.equal(code({ limits: { firstBurst: 2 ** 21 } }), 'LIMIT_VALUE')
  assert.equal(code({ limits: { maxBurst: 2 ** 24 } }), 'LIMIT_VALUE')
  assert.equal(code({ limits: { maxRecvDataSegmentLength: 100 } }), 'LIMIT_VALUE')
  assert.equal(code({ nop: { timeoutMs: 0 } }), 'LIMIT_VALUE')
  assert.equal(code({ access: { 'no name': {} } }), 'TARGET_NAME')
  assert.equal(code({ access: { '*': { chap: { user: '', secret: long } } } }), 'CHAP_EMPTY')
  assert.equal(code({ discoveryChap: { user: 'a', secret: '' } }), 'CHAP_EMPTY')
  const same = { user: 'a', secret: long, mutual: { user: 'b', secret: long } }
  assert.equal(code({ discoveryChap: same }), 'CHAP_SAME_SECRET')
  assert.equal(code({ access: { '*': { chap: same } } }), 'CHAP_SAME_SECRET')
  assert.equal(code({ discoveryChap: { user: 'a', secret: long, algorithms: [] } }), 'CHAP_ALGORITHM')
  const odd = ['rot13'] as unknown as ['md5']
  assert.equal(code({ discoveryChap: { user: 'a', secret: long, algorithms: odd } }), 'CHAP_ALGORITHM')
})

test('a short secret is warned of, without being shown', () => {
  const warnings: string[] = []
  settle({ portals, discoveryChap: { user: 'a', secret: 'hush' } }, reason => void warnings.push(reason))
  assert.equal(warnings.length, 1)
  assert.match(warnings[0]!, /shorter than 12/)
  assert.doesNotMatch(warnings[0]!, /hush/)
})
