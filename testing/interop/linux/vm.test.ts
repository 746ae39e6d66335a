// SPDX-License-Identifier: Apache-2.0
// The virtual machine itself: status and output come back, and QEMU ends with the time limit and with its parent.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { noGuest } from './skip.ts'
import { runInGuest } from './vm.ts'

function scriptFile(t: TestContext, ...lines: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'lunkit-linux-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'script.sh')
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'))
  return path
}

/** The process ids of a process's children. */
function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number)
}

test('a script gets its variables, asks the host, and its output and status come back', async t => {
  if (noGuest(t)) return
  let asked = 0
  const script = scriptFile(
    t,
    'echo "$WORDS"',
    'host count',
    'host fails',
    'echo "$?"',
    'printf end',
    'exit 7',
  )
  const on = {
    count: () => {
      asked++
    },
    fails: () => Promise.reject(new Error('it cannot')),
  }
  const result = await runInGuest({ script, env: { WORDS: "it's $HOME" }, on })
  assert.equal(result.status, 7)
  assert.equal(result.output, "it's $HOME\nhost fails: it cannot\n1\nend")
  assert.equal(asked, 1)
  assert.match(result.kernelLog, /Linux version/)
  assert.deepEqual(children(process.pid), [])
})

test('a script that runs too long is ended', async t => {
  if (noGuest(t)) return
  const run = runInGuest({ script: scriptFile(t, 'sleep 1000'), timeoutSeconds: 1 })
  await assert.rejects(run, /Guest ran longer than 1 s/)
  assert.deepEqual(children(process.pid), [])
})

test('QEMU ends with the process that started it', async t => {
  if (noGuest(t)) return
  const script = scriptFile(t, 'echo running', 'sleep 1000')
  const command = [join(import.meta.dirname, 'run.ts'), '--timeout', '60', script]
  const parent = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [ready] = await Promise.race([once(parent.stdout, 'data'), once(parent, 'close')])
  assert.equal(String(ready), 'running\n')
  const [qemu] = children(parent.pid!)
  assert.ok(qemu !== undefined && readFileSync(`/proc/${qemu}/comm`, 'utf8').startsWith('qemu-system'))
  parent.kill('SIGKILL')
  await once(parent, 'close')
  while (existsSync(`/proc/${qemu}`)) await sleep(20)
})
