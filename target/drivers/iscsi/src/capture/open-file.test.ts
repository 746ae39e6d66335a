// SPDX-License-Identifier: Apache-2.0
// What a capture may be written to: new and empty files, older captures, pipes; nothing that somebody could miss.
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { openCaptureFile } from './open-file.ts'
import { fileHead } from './pcapng.ts'

test('new files, empty ones and older captures are taken, and are empty then', async t => {
  const folder = await scratch(t)
  const [none, empty, older] = ['none', 'empty', 'older'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(empty, '')
  writeFileSync(older, Buffer.concat([fileHead(), Buffer.alloc(100)]))
  for (const path of [none, empty, older]) {
    const opened = await openCaptureFile(path)
    await opened.file.appendFile('a')
    await opened.file.appendFile('b')
    await opened.close()
    assert.equal(readFileSync(path, 'latin1'), 'ab')
  }
  assert.equal(statSync(none).mode & 0o777, 0o600)
})

test('any other file is refused and stays as it is', async t => {
  const folder = await scratch(t)
  for (const content of ['x', '\n\r\r', 'a disk'.repeat(1000)]) {
    const path = join(folder, 'x.img')
    writeFileSync(path, content)
    await assert.rejects(openCaptureFile(path), { code: 'CAPTURE_FILE', message: /other than a capture/ })
    assert.equal(readFileSync(path, 'latin1'), content)
  }
})

test('a device is refused', async () => {
  await assert.rejects(openCaptureFile('/dev/null'), { code: 'CAPTURE_FILE', message: /is a device/ })
})
