// SPDX-License-Identifier: Apache-2.0
// NBD URIs: the examples of their specification, and what cannot be one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OperatorError } from '@lunkit/target-api'
import { identityOf, parseUri } from './uri.ts'

const facts = (text: string): unknown[] => {
  const { host, port, socket, exportName, tls, tlsHost } = parseUri(text)
  return [host, port, socket, exportName, tls, tlsHost]
}

for (const [text, ...wanted] of [
  ['nbd://example.com/disk', 'example.com', 10809, null, 'disk', false, 'example.com'],
  ['//example.com/disk', 'example.com', 10809, null, 'disk', false, 'example.com'],
  ['nbd+unix:///disk?socket=sock', '', 0, 'sock', 'disk', false, 'localhost'],
  ['nbd://example.com/', 'example.com', 10809, null, '', false, 'example.com'],
  ['nbd://example.com', 'example.com', 10809, null, '', false, 'example.com'],
  ['nbd://example.com//disk', 'example.com', 10809, null, '/disk', false, 'example.com'],
  ['nbd://example.com/hello%20world', 'example.com', 10809, null, 'hello world', false, 'example.com'],
  ['nbd://example.com/a/../b', 'example.com', 10809, null, 'a/../b', false, 'example.com'],
  ['NBDS://[2001:db8::1]:1/x', '2001:db8::1', 1, null, 'x', true, '2001:db8::1'],
  ['nbds+unix:///?socket=/a%26b&tls-hostname=c', '', 0, '/a&b', '', true, 'c'],
  ['nbd+unix:///?socket=%00/abstract', '', 0, '\0/abstract', '', false, 'localhost'],
  ['nbds://h/x?tls-type=x509&tls-verify-peer=1', 'h', 10809, null, 'x', true, 'h'],
] as const) {
  test(text, () => assert.deepEqual(facts(text), wanted))
}

for (const [text, message] of [
  ['nbd:', /is no NBD URI/],
  ['nbd:/disk', /is no NBD URI/],
  ['http://example.com/', /is no NBD URI/],
  ['nbd:///disk', /no host/],
  ['nbd://a:b:c/', /no host/],
  ['nbd://::1/', /no host/],
  ['nbd://a:0/', /port 0/],
  ['nbd://a:65536/', /port 65536/],
  ['nbd://me@a/', /user/],
  ['nbd://a/%zz', /decoded/],
  ['nbd://a/%00', /export name/],
  [`nbd://a/${'x'.repeat(4097)}`, /export name/],
  ['nbd://a/?socket=/s', /only nbd\+unix/],
  ['nbd+unix:///x', /no socket/],
  ['nbd+unix:///x?socket=', /no socket/],
  ['nbd+unix://a/x?socket=/s', /host beside/],
  ['nbd+unix:///x?socket=/s&socket=/t', /twice/],
  ['nbd://a/x?colour=red', /'colour'/],
  ['nbd://a/x?tls-hostname=b', /no nbds/],
  ['nbds://a/x?tls-type=psk', /without certificates/],
  ['nbds://a/x?tls-verify-peer=0', /unverified/],
] as const) {
  test(`'${text.slice(0, 40)}' is refused`, () =>
    assert.throws(() => parseUri(text), { name: 'OperatorError', code: 'NBD_URI', message }))
}

for (const text of [
  'nbd://me:hunter2@a/x',
  '//me:hunter2@a/x',
  'nbd://a/x?password=hunter2',
  'nbd://a/x?password=%zzhunter2',
]) {
  test(`the secret in '${text}' is not repeated`, () =>
    assert.throws(
      () => parseUri(text),
      ({ code, message }: OperatorError) => code === 'NBD_URI' && !message.includes('hunter2'),
    ))
}

test('a disk keeps its name whatever way it is written in', () => {
  for (const [one, other] of [
    ['nbd://Example.com/x', 'nbds://example.com:10809/x'],
    ['nbd+unix:///x?socket=/s', 'nbds+unix:///x?socket=/s&tls-hostname=a'],
  ] as const) {
    assert.equal(identityOf(parseUri(one)), identityOf(parseUri(other)))
  }
  assert.notEqual(identityOf(parseUri('nbd://a/x')), identityOf(parseUri('nbd://a/X')))
})
