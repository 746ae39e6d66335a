// SPDX-License-Identifier: Apache-2.0
// iSCSI URLs: what they say, what is refused, and that no password is ever shown.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InitiatorError } from '@lunkit/initiator-core'
import { formatUrl, parseUrl } from './url.ts'

const DISK = 'iqn.2000-01.org.example:disk.1'
const plain = { user: null, password: null }

const GOOD: Readonly<Record<string, ReturnType<typeof parseUrl>>> = {
  'iscsi://host': { portal: { host: 'host', port: 3260 }, target: null, lun: null, ...plain },
  'ISCSI://host:860/': { portal: { host: 'host', port: 860 }, target: null, lun: null, ...plain },
  [`iscsi://127.0.0.1:3261/${DISK}/0`]: {
    portal: { host: '127.0.0.1', port: 3261 },
    target: DISK,
    lun: 0,
    ...plain,
  },
  [`iscsi://host/${DISK}`]: { portal: { host: 'host', port: 3260 }, target: DISK, lun: null, ...plain },
  [`iscsi://host/${DISK}/`]: { portal: { host: 'host', port: 3260 }, target: DISK, lun: null, ...plain },
  [`iscsi://[fe80::1]:3262/${DISK}/16383`]: {
    portal: { host: 'fe80::1', port: 3262 },
    target: DISK,
    lun: 16383,
    ...plain,
  },
  [`iscsi://[::1]/${DISK}/1`]: { portal: { host: '::1', port: 3260 }, target: DISK, lun: 1, ...plain },
  [`iscsi://anna@host/${DISK}/1`]: {
    portal: { host: 'host', port: 3260 },
    target: DISK,
    lun: 1,
    user: 'anna',
    password: null,
  },
  [`iscsi://anna%p@ss%word@host:1/${DISK}/1`]: {
    portal: { host: 'host', port: 1 },
    target: DISK,
    lun: 1,
    user: 'anna',
    password: 'p@ss%word',
  },
  [`iscsi://host/IQN.2000-01.org.example%3Adisk.1/2`]: {
    portal: { host: 'host', port: 3260 },
    target: DISK,
    lun: 2,
    ...plain,
  },
  'iscsi://host/eui.0123456789abcdef/2': {
    portal: { host: 'host', port: 3260 },
    target: 'eui.0123456789abcdef',
    lun: 2,
    ...plain,
  },
}

for (const [text, want] of Object.entries(GOOD)) test(text, () => assert.deepEqual(parseUrl(text), want))

for (const text of [
  '',
  'host',
  'http://host',
  'iscsi://',
  'iscsi:///x',
  'iscsi://host:0',
  'iscsi://host:65536',
  'iscsi://host:x',
  'iscsi://[::1',
  'iscsi://[nonsense]',
  'iscsi://@host',
  'iscsi://%geheim@host',
  'iscsi://host/disk/0',
  `iscsi://host/${DISK}/-1`,
  `iscsi://host/${DISK}/16384`,
  `iscsi://host/${DISK}/0x1`,
  `iscsi://host/${DISK}/0?header_digest=crc32c`,
  `iscsi://host/${DISK}/0#x`,
  `iscsi://anna%geheim@host:99999/${DISK}/0`,
  'iscsi://host/iqn.2000-01.org.example%/0',
]) {
  test(`refused: ${text}`, () => {
    assert.throws(
      () => parseUrl(text),
      (error: InitiatorError) => {
        assert.equal(error.code, 'URL_INVALID')
        assert.doesNotMatch(`${error.message} ${error.hint}`, /geheim/)
        return true
      },
    )
  })
}

test('written URLs are read as they were', () => {
  for (const portal of [
    { host: 'host', port: 3260 },
    { host: '::1', port: 3260 },
    { host: '::1', port: 3261 },
    { host: '10.0.0.1', port: 860 },
  ]) {
    assert.deepEqual(parseUrl(formatUrl(portal, DISK, 3)), { portal, target: DISK, lun: 3, ...plain })
  }
  assert.equal(formatUrl({ host: '::1', port: 3260 }, DISK, 0, 'anna'), `iscsi://anna@[::1]/${DISK}/0`)
})
