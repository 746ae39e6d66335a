// SPDX-License-Identifier: Apache-2.0
// No secret that somebody put into a LUN argument or a URI comes back in a message.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutSecrets } from './without-secrets.ts'

for (const [text, shown] of [
  ['nbd://me:hunter2@host:10809/x', 'nbd://me:***@host:10809/x'],
  ['//me:a:b@c@host/x', '//me:***@host/x'],
  ['nbd://me:hun/ter2@host/x', 'nbd://me:***@host/x'],
  ['nbd://me:hun?ter2#@host/x,readonly=yes', 'nbd://me:***@host/x,readonly=yes'],
  ['nbd://me:1234@host/x', 'nbd://me:***@host/x'],
  ['nbd://host:10809/x', 'nbd://host:10809/x'],
  ['nbd://host:10809/x@y', 'nbd://host:10809/x@y'],
  ['nbd://h/x?password=hunter2&socket=/s', 'nbd://h/x?password=***&socket=/s'],
  ['nbd://h/x?tls-psk=hunter2,readonly=yes', 'nbd://h/x?tls-psk=***,readonly=yes'],
  [
    'iscsi://h/iqn.x:y/0,chap-secret=hunter2,chap-user=me',
    'iscsi://h/iqn.x:y/0,chap-secret=***,chap-user=me',
  ],
  ['x.img,CHAP-Secret=a\\,b,c&d#e', 'x.img,CHAP-Secret=***'],
  ['encrypt:x.img,encrypt.key=hunter2', 'encrypt:x.img,encrypt.key=***'],
  ['x.img,size=1G,chap-file=/etc/chap', 'x.img,size=1G,chap-file=/etc/chap'],
] as const)
  test(`'${text}' is shown as '${shown}'`, () => assert.equal(withoutSecrets(text), shown))
