// SPDX-License-Identifier: Apache-2.0
// The lines of LUNs that are served: each says which layers it has, and they are in columns.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromReadyOn, lunLines, type Say, sayWaiting } from './say.ts'

const view = (kind: string, filters: string[], store: string | null, group: string | null = null) => ({
  lun: 0,
  group,
  url: 'iscsi://h/t/0',
  bytes: 1 << 20,
  kind,
  filters,
  store,
  serial: '',
  naa: '',
})

test('a LUN is told by its layers', () => {
  const lines = lunLines([
    view('disk', [], 'file'),
    view('disk', ['throttle', 'encrypt'], 'nbd'),
    view('cdrom', ['cache'], 'file', 'hosts'),
    view('cdrom', [], null),
    view('passthrough', [], null),
  ])
  assert.deepEqual(lines.split('\n'), [
    'LUN 0      1 MiB  file                  iscsi://h/t/0',
    'LUN 0      1 MiB  throttle:encrypt:nbd  iscsi://h/t/0',
    'LUN 0      1 MiB  cdrom:cache:file      iscsi://h/t/0  (group hosts)',
    'LUN 0      1 MiB  cdrom                 iscsi://h/t/0',
    'LUN 0      1 MiB  passthrough           iscsi://h/t/0',
    '',
  ])
  assert.equal(lunLines([]), '')
})

test('what is told before all is ready waits, but that somebody is waited for', () => {
  const told: unknown[] = []
  const { say, begin } = fromReadyOn((fields, words) => void told.push([fields['event'], words]))
  say({ event: 'warning' }, 'w')
  sayWaiting(say, 'nobody', 'iqn.a')
  assert.deepEqual(told, [['waiting', 'lunkit: Target iqn.a: nobody']])
  begin()
  say({ event: 'late' }, 'l')
  assert.deepEqual(told.slice(1), [
    ['warning', 'w'],
    ['late', 'l'],
  ])
  sayWaiting(
    ((fields, words) =>
      assert.deepEqual([fields, words], [{ event: 'waiting', reason: 'x' }, 'lunkit: x'])) as Say,
    'x',
  )
})
