// SPDX-License-Identifier: Apache-2.0
// Who may have a file at the same time, in one process and in several, and what a killed process leaves.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { absent } from '../../../../testing/peers.ts'
import { lockByName } from './file-lock.ts'
import { linuxCalls } from './linux-calls.ts'
import { openFile } from './open-file.ts'

async function image(context: TestContext): Promise<string> {
  const path = join(await scratch(context), 'disk.img')
  await writeFile(path, Buffer.alloc(4096, 1))
  return path
}

/** Another process that has the file until it is killed. */
async function holder(context: TestContext, path: string, readonly: boolean): Promise<ChildProcess> {
  const code = `
    const { openFile } = await import(${JSON.stringify(new URL('./open-file.ts', import.meta.url).href)})
    await openFile({ path: ${JSON.stringify(path)}, readonly: ${readonly} })
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  context.after(() => {
    child.kill('SIGKILL')
  })
  await once(child.stdout!, 'data')
  return child
}

test('one writer, or several readers', async context => {
  const path = await image(context)
  const inUse = { name: 'OperatorError', code: 'FILE_IN_USE' }
  const writer = await openFile({ path })
  await assert.rejects(openFile({ path }), inUse)
  await assert.rejects(openFile({ path, readonly: true }), inUse)
  await writer.close()
  const one = await openFile({ path, readonly: true })
  const two = await openFile({ path, readonly: true })
  await assert.rejects(openFile({ path }), inUse)
  await one.close()
  await assert.rejects(openFile({ path }), inUse)
  await two.close()
  const last = await openFile({ path })
  await last.close()
})

test('the name alone keeps writers and readers apart', async context => {
  if (process.platform !== 'linux') return void absent(context, 'Linux, for its abstract sockets,')
  const key = { dev: BigInt(process.pid), ino: BigInt(Date.now()) }
  const reader = await lockByName('x', key, true)
  const second = await lockByName('x', key, true)
  await assert.rejects(lockByName('x', key, false), /this lunkit/)
  await reader()
  await second()
  const writer = await lockByName('x', key, false)
  await assert.rejects(lockByName('x', key, true), /this lunkit/)
  await assert.rejects(lockByName('x', key, false), /this lunkit/)
  const other = await lockByName('x', { ...key, dev: -1n }, false)
  await other()
  await writer()
  const last = await lockByName('x', key, true)
  await last()
})

test('of many that open a file at once, one gets it', async context => {
  const path = join(await scratch(context), 'new.img')
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => openFile({ path, size: 65536 })))
  const opened = tries.filter(each => each.status === 'fulfilled')
  assert.equal(opened.length, 1)
  for (const each of tries) {
    if (each.status === 'rejected') assert.equal((each.reason as { code: string }).code, 'FILE_IN_USE')
  }
  await opened[0]!.value.close()
})

test('another process has it: its id is told, and killing it frees the file', async context => {
  const path = await image(context)
  for (const readonly of [false, true]) {
    const child = await holder(context, path, readonly)
    await assert.rejects(openFile({ path }), {
      code: 'FILE_IN_USE',
      message: `File '${path}' is in use by another lunkit (pid ${child.pid})`,
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const opened = await openFile({ path })
    await opened.close()
  }
  assert.deepEqual(await readdir(join(path, '..')), ['disk.img'], 'nothing lies beside the file')
})

test('a lock of another program is respected', async context => {
  const path = await image(context)
  const linux = await linuxCalls()
  if (linux === null) return void absent(context, 'koffi, to see the locks of other programs,')
  const fd = fs.openSync(path, 'r')
  context.after(() => fs.closeSync(fd))
  assert.equal(linux.lock(fd, true), 0)
  await assert.rejects(openFile({ path }), { code: 'FILE_IN_USE' })
  const reader = await openFile({ path, readonly: true })
  await reader.close()
})
