// SPDX-License-Identifier: Apache-2.0
// The calls that need no SCSI device: waiting for files, and what is said where they cannot be made.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { bindSg, sgCalls } from './linux-sg.ts'

const LINUX = process.platform === 'linux' && process.arch.endsWith('64')

test('without koffi there is an error that names it', async () => {
  if (!LINUX) return
  const none = () => Promise.reject(new Error('Cannot find package'))
  await assert.rejects(bindSg(none), { code: 'SG_KOFFI', hint: /npm install koffi/ })
})

test('one thread waits for all files, and only while something is expected', async t => {
  if (!LINUX) return
  const calls = await sgCalls()
  const folder = await scratch(t)
  const files = ['a', 'b'].map(name => {
    const path = join(folder, name)
    execFileSync('mkfifo', [path])
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    t.after(() => closeSync(fd))
    return fd
  })
  const seen: number[] = []
  await new Promise<void>(resolve => {
    for (const fd of files) {
      calls.watch(fd, gone => {
        assert.equal(gone, false)
        readSync(fd, Buffer.alloc(1))
        seen.push(fd)
        calls.expect(-1)
        if (seen.length === 2) resolve()
      })
    }
    calls.expect(2)
    writeSync(files[1]!, 'x')
    setImmediate(() => writeSync(files[0]!, 'x'))
  })
  assert.deepEqual(seen.toSorted(), files.toSorted())
  for (const fd of files) calls.unwatch(fd)
})

test('a file that is no SCSI device is told by the names of its errors', async () => {
  if (!LINUX) return
  const calls = await sgCalls()
  const opened = (path: string) =>
    new Promise<[string, number]>(done => calls.open(path, (...all) => done(all)))
  assert.deepEqual(await opened('/dev/sg-none'), ['ENOENT', -1])
  const [failure, fd] = await opened('/dev/null')
  assert.equal(failure, '')
  assert.equal(await new Promise(done => calls.reset(fd, done)), 'ENOTTY')
  assert.equal(calls.maxTransfer(fd), 131072)
  calls.close(fd)
})
